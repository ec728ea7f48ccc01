/* What a file is that was given for a cfg or for weights and is neither: people download a web page
 * instead of the file, clone a repository without its large files, or forget to unpack.
 *
 * Threads: any. */
#ifndef DKB_SNIFF_H
#define DKB_SNIFF_H

#include <stddef.h>

/* A few words that follow "not a cfg but", by the file's first bytes; NULL where they are those of
 * no kind that is known here. `data` may be NULL if `bytes` is 0. */
const char *dkb_sniff(const void *data, size_t bytes);

#endif
