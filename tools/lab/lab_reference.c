#include "tools/lab/lab_reference.h"

#include <darknet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "darknet_backend/network/dkb_network.h"

struct lab_reference {
    struct network *net;
    float *input;
    int64_t in_floats;
};

/* Darknet's parser and its release functions forget some of what they allocate. */
static void tolerate_leaks(bool tolerate)
{
#if defined(__SANITIZE_ADDRESS__)
    if (tolerate) {
        __lsan_disable();
    } else {
        __lsan_enable();
    }
#else
    (void)tolerate;
#endif
}

/* Sends stderr to nowhere; returns what restores it, -1 if that failed. */
static int silence_stderr(void)
{
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (saved >= 0 && nowhere >= 0) {
        dup2(nowhere, STDERR_FILENO);
    }
    if (nowhere >= 0) {
        close(nowhere);
    }
    return saved;
}

static void restore_stderr(int saved)
{
    fflush(stderr);
    if (saved >= 0) {
        dup2(saved, STDERR_FILENO);
        close(saved);
    }
}

/* The end of the line on which the first section opens. */
static size_t first_section_end(const char *cfg, size_t bytes)
{
    size_t start = 0;
    while (start < bytes) {
        const char *newline = memchr(cfg + start, '\n', bytes - start);
        size_t end = newline ? (size_t)(newline - cfg) + 1 : bytes;
        size_t first = start;
        while (first < end && (cfg[first] == ' ' || cfg[first] == '\t')) {
            first++;
        }
        if (first < end && cfg[first] == '[') {
            return end;
        }
        start = end;
    }
    return bytes;
}

/* Darknet takes the first of two equal keys, so these come right behind [net]. It also takes a
 * carriage return as part of a name, where we take it as part of the line's end. */
static ll_status write_cfg(int fd, const char *cfg, size_t bytes)
{
    static const char one_image[] = "\nbatch=1\nsubdivisions=1\ntime_steps=1\n";
    FILE *file = fdopen(dup(fd), "w");
    if (!file) {
        return LL_E_IO;
    }
    size_t head = first_section_end(cfg, bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (i == head) {
            fputs(one_image, file);
        }
        if (cfg[i] != '\r') {
            fputc(cfg[i], file);
        }
    }
    bool failed = ferror(file) != 0;
    return fclose(file) != 0 || failed ? LL_E_IO : LL_OK;
}

/* Darknet's constructors, on a file in memory. */
static ll_status parse_cfg(struct lab_reference *reference, const char *cfg, size_t bytes,
                           struct ll_error *err)
{
    int fd = memfd_create("cfg", MFD_CLOEXEC);
    if (fd < 0) {
        return ll_fail(err, LL_E_IO, "no file in memory for the cfg");
    }
    ll_status status = write_cfg(fd, cfg, bytes);
    if (status == LL_OK) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        tolerate_leaks(true);
        reference->net = parse_network_cfg(path);
        tolerate_leaks(false);
    } else {
        status = ll_fail(err, status, "cannot write the cfg to memory");
    }
    close(fd);
    return status;
}

static ll_status compare_shapes(const struct lab_reference *reference,
                                const struct ll_network *network, struct ll_error *err)
{
    const struct ll_table *table = &network->table;
    if (reference->net->n != table->layer_count || reference->net->inputs != table->in_floats) {
        return ll_fail(err, LL_E_INTERNAL, "Darknet has %d layers and %d inputs, we %d and %lld",
                       reference->net->n, reference->net->inputs, table->layer_count,
                       (long long)table->in_floats);
    }
    for (int i = 0; i < table->layer_count; i++) {
        if (reference->net->layers[i].outputs != table->layers[i].out_floats) {
            return ll_fail(err, LL_E_INTERNAL,
                           "layer %d (%s) gives %d floats in Darknet, %lld here", i,
                           table->layers[i].type, reference->net->layers[i].outputs,
                           (long long)table->layers[i].out_floats);
        }
    }
    return LL_OK;
}

static ll_status patch_memory(struct lab_reference *reference, const struct ll_network *network,
                              struct ll_error *err)
{
    struct network *net = reference->net;
    bool ok = true;
    for (int i = 0; i < net->n; i++) {
        struct layer *stock = &net->layers[i];
        if (stock->type == BATCHNORM) {
            stock->x = calloc((size_t)stock->outputs, sizeof(*stock->x));
            ok = ok && stock->x;
        } else if (stock->type == DECONVOLUTIONAL) {
            stock->groups = 1;
        } else if (stock->type == LOCAL) {
            free(net->workspace);
            net->workspace = calloc(network->workspace_floats, sizeof(float));
            ok = ok && net->workspace;
        }
    }
    return ok ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory for Darknet's layers");
}

/* load_weights takes a path that is not const. */
static ll_status load(struct lab_reference *reference, const char *weights_path,
                      struct ll_error *err)
{
    char *path = strdup(weights_path);
    if (!path) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a path");
    }
    load_weights(reference->net, path);
    free(path);
    return LL_OK;
}

ll_status lab_reference_create(const struct ll_network *network, const char *cfg, size_t cfg_bytes,
                               const char *weights_path, struct lab_reference **out_reference,
                               struct ll_error *err)
{
    if (access(weights_path, R_OK) != 0) {
        return ll_fail(err, LL_E_IO, "%s: cannot be read", weights_path);
    }
    struct lab_reference *reference = calloc(1, sizeof(*reference));
    if (!reference) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the reference");
    }
    int saved = silence_stderr();
    reference->in_floats = network->table.in_floats;
    reference->input = calloc((size_t)reference->in_floats, sizeof(float));
    ll_status status = reference->input ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "no memory");
    if (status == LL_OK) {
        status = parse_cfg(reference, cfg, cfg_bytes, err);
    }
    if (status == LL_OK && !reference->net) {
        status = LL_E_INTERNAL;
    }
    if (status == LL_OK) {
        status = compare_shapes(reference, network, err);
    }
    if (status == LL_OK) {
        status = patch_memory(reference, network, err);
    }
    if (status == LL_OK) {
        status = load(reference, weights_path, err);
    }
    restore_stderr(saved);
    if (status != LL_OK) {
        lab_reference_destroy(reference);
        return status;
    }
    *out_reference = reference;
    return LL_OK;
}

void lab_reference_destroy(struct lab_reference *reference)
{
    if (!reference) {
        return;
    }
    if (reference->net) {
        free(reference->net->workspace);
        free_network(reference->net);
    }
    free(reference->input);
    free(reference);
}

void lab_reference_predict(struct lab_reference *reference, const float *input)
{
    memcpy(reference->input, input, (size_t)reference->in_floats * sizeof(float));
    network_predict(reference->net, reference->input);
}

const float *lab_reference_output(const struct lab_reference *reference, int index)
{
    return reference->net->layers[index].output;
}
