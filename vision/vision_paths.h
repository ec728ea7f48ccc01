/* Paths of pictures: what a command line names (files, folders, pipes, standard input) as one list.
 *
 * Threads: any, one at a time per list. */
#ifndef VISION_PATHS_H
#define VISION_PATHS_H

#include <stdbool.h>

#include "core/ll_status.h"

/* What one list may hold. */
enum { VISION_PATHS_MOST = 100000 };

struct vision_path {
    /* For vision_decode_file. */
    char *path;
    /* Standard input or a pipe: its bytes are one picture and come once, so that whoever needs it
     * again keeps what was made of it. */
    bool is_stream;
};

/* Zeroed: empty. */
struct vision_paths {
    struct vision_path *list;
    int count;
    int room;
};

/* Adds what `name` stands for: a file or a pipe itself, "-" for standard input, a folder's files
 * whose names end in .jpg, .jpeg, .png or .bmp (large or small letters), in the order of their
 * names' bytes. Hidden files, other files and folders within the folder are none of its pictures.
 * Nothing is opened but folders: whether a file holds a picture turns out when it is loaded.
 *
 * Errors: LL_E_NOT_FOUND; LL_E_IO for what cannot be examined, or is neither file, folder nor pipe;
 * LL_E_INVALID for a folder without pictures and for a stream that is named twice; LL_E_EXHAUSTED
 * beyond VISION_PATHS_MOST; LL_E_NO_MEMORY. `err` has the name; the list is as it was. */
LL_MUST_USE ll_status vision_paths_add(struct vision_paths *pictures, const char *name,
                                       struct ll_error *err);
/* Takes zeroed lists too. */
void vision_paths_finish(struct vision_paths *pictures);

#endif
