/* line.h - a line editor with history, for prompts. See line.c. */
#ifndef RT_LINE_H
#define RT_LINE_H

#include "rt.h"

#define LINE_SIZE    160
#define LINE_HISTORY 32

/** The @i-th word that may complete the last word of @line; NULL ends the list. */
typedef const char *line_words(const char *line, unsigned i);

/** line_read() - one line into @text (LINE_SIZE). @prompt may hold escape sequences; it is
 * @prompt_cols wide. @words may be NULL. */
void line_read(const char *prompt, unsigned prompt_cols, char *text, line_words *words);
/** line_history() - the line entered @back lines ago (1: the last), or NULL. */
const char *line_history(unsigned back);

#endif
