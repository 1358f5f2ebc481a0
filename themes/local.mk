# Colour themes: role -> colour (libconfig).
