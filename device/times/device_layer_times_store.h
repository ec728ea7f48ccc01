/* Where layer times are kept between runs: a small text file beside the weights, or in the user's
 * cache folder where that one cannot be written.
 *
 *   WEIGHTS.KEY.profile                                   beside the weights
 *   CACHE/profiles/KEY.profile
 *
 * KEY is the beginning of a digest over what the times depend on: model, engine, instruction set,
 * threads and machine (the processor's name from /proc/cpuinfo, and /etc/machine-id or, without
 * one, the host's name). The file repeats all of it in full:
 *
 *   layerlift-profile-1
 *   model sha256:...
 *   engine onednn
 *   instruction_set avx512
 *   threads 2
 *   machine ...
 *
 * and then has the times (device_layer_times_text.h).
 * A file that is not exactly this is as good as none. Nothing here is an error to anybody: what
 * cannot be read is measured, what cannot be written is measured again.
 *
 * Threads: one at a time. */
#ifndef DEVICE_LAYER_TIMES_STORE_H
#define DEVICE_LAYER_TIMES_STORE_H

#include <stdbool.h>

#include "core/ll_log.h"
#include "core/ll_status.h"
#include "device/times/device_layer_times.h"

struct device_layer_times_store;

struct device_layer_times_key {
    /* "sha256:..." */
    const char *model_id;
    const char *engine;
    const char *instruction_set;
    int threads;
};

/* `weights`: the file that they lie beside; `cache`: the other folder, ~/.cache/layerlift,
 * NULL where there is none. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_layer_times_store_create(const struct device_layer_times_key *key,
                                                      const char *weights, const char *cache,
                                                      struct device_layer_times_store **out_store);
/* NULL is allowed. */
void device_layer_times_store_destroy(struct device_layer_times_store *store);

/* Where it says what it finds, from now on; NULL, as at first: the process's log. */
void device_layer_times_store_set_log(struct device_layer_times_store *store,
                                      const struct ll_log_sink *log);

/* Fills in the times from the file; false, and they are as before, where there is none. */
bool device_layer_times_store_load(struct device_layer_times_store *store,
                                   struct device_layer_times *times);

/* Writes the file, by rename; false where neither place takes it. */
bool device_layer_times_store_save(struct device_layer_times_store *store,
                                   const struct device_layer_times *times);

#endif
