/* A model from a cfg and a .weights file on disk: network, layer blobs, manifest.
 *
 * Blobs point into the mapped file wherever the file's bytes are the blob's bytes (everywhere but
 * transposed connected and flipped convolutional layers, which are copied into normal order; see
 * dkb_weights.h). The file must not be shortened while it is in use.
 *
 * Threads: loading on one thread; the result is immutable. */
#ifndef DKB_MODEL_FILE_H
#define DKB_MODEL_FILE_H

#include "core/ll_buf.h"
#include "net/ll_manifest.h"
#include "net/ll_network.h"

struct dkb_model_file {
    struct ll_network *network;
    /* One per layer, NULL where the layer has no weights. */
    struct ll_buf **blobs;
    struct ll_manifest manifest;
    struct ll_digest model_id;
};

/* Loads both files with the network's parser. Every header variant of .weights that Darknet 2018
 * reads is taken.
 *
 * Errors: LL_E_NOT_FOUND, LL_E_IO, LL_E_INVALID (with expected and actual bytes where the weights
 * are truncated or too long), and those of the parser; `err` names the file. */
LL_MUST_USE ll_status dkb_model_file_load(const char *cfg_path, const char *weights_path,
                                          struct dkb_model_file *out_file, struct ll_error *err);
void dkb_model_file_finish(struct dkb_model_file *file);

#endif
