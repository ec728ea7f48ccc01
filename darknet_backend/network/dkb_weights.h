/* .weights files: a header and the layers' weights one after the other, f32 little-endian.
 *
 * The header is three ints (major, minor, revision) and the number of images seen: 8 bytes if
 * major * 10 + minor >= 2 and both are below 1000, else 4. If either is above 1000, the weights of
 * connected layers are transposed in the file; [convolutional] sections may say `flipped=1` of
 * theirs. Both concern the file alone: blobs are always in the order that Darknet computes with
 * (outputs x inputs), so a model has one id whatever file it came from.
 *
 * Threads: any. */
#ifndef DKB_WEIGHTS_H
#define DKB_WEIGHTS_H

#include "core/ll_buf.h"
#include "net/ll_network.h"

/* Cuts a file's bytes into one blob for each layer of `network`; NULL for a layer without weights.
 * A blob is a slice of `file` wherever the file's bytes are the blob's bytes, aligned as `file`'s
 * bytes are to 4 (a mapping is).
 *
 * Ownership: `out_blobs` has room for layer_count pointers; release with dkb_weights_unref.
 * Errors:    LL_E_INVALID with expected and actual bytes where the file is too short or too long,
 *            and with the kind of file where it is another one; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_weights_slice(const struct ll_network *network, struct ll_buf *file,
                                        struct ll_buf **out_blobs, struct ll_error *err);

/* Drops the references and sets them to NULL. */
void dkb_weights_unref(struct ll_buf **blobs, int count);

/* Writes a file that Darknet and dkb_weights_slice read: version 0.2.0, 0 images seen. `blobs` has
 * one for each layer, of the table's size; NULL where that is 0. The file appears complete or not
 * at all.
 *
 * Errors: LL_E_IO, LL_E_NO_MEMORY; `err` names the file. */
LL_MUST_USE ll_status dkb_weights_write(const struct ll_network *network,
                                        struct ll_buf *const *blobs, const char *path,
                                        struct ll_error *err);

#endif
