#include "proto/wire/wire_text.h"

void wire_text_clean(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
}
