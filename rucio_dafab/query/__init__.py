"""One query model, the languages that are parsed into it and the compiler that turns it into SQL."""
