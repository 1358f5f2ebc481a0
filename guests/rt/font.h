/* font.h - a 5x7 face for big writing. See font.c. */
#ifndef RT_FONT_H
#define RT_FONT_H

#include "rt.h"

#define FONT_W 5
#define FONT_H 7

/** font_bit() - is the dot at @x, @y (from the left and the top) of @c set? Lower case is drawn as
 * upper. */
bool font_bit(char c, unsigned x, unsigned y);

#endif
