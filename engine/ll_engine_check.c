#include "engine/ll_engine_check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static ll_status check_blob(const struct ll_layer *row, int index, const struct ll_buf *blob,
                            struct ll_error *err)
{
    int64_t bytes = blob ? (int64_t)ll_buf_bytes(blob) : 0;
    if (bytes != row->blob_bytes) {
        return ll_fail(err, LL_E_INVALID, "layer %d (%s) has %lld bytes of weights instead of %lld",
                       index, row->type, (long long)bytes, (long long)row->blob_bytes);
    }
    if (bytes > 0 && (uintptr_t)ll_buf_data(blob) % sizeof(float) != 0) {
        return ll_fail(err, LL_E_INVALID, "the weights of layer %d (%s) are not aligned", index,
                       row->type);
    }
    return LL_OK;
}

ll_status ll_engine_check_extension(const struct ll_table *table, int prefix, int end,
                                    struct ll_buf *const *blobs, struct ll_error *err)
{
    if (end <= prefix || !ll_table_is_legal_cut(table, end)) {
        return ll_fail(err, LL_E_INVALID,
                       "layers %d to %d cannot be created: %d is no legal cut behind %d", prefix,
                       end, end, prefix);
    }
    for (int i = prefix; i < end; i++) {
        ll_status status = check_blob(&table->layers[i], i, blobs[i - prefix], err);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

static ll_status check_range(const struct ll_table *table, int prefix, const struct ll_run *run,
                             struct ll_error *err)
{
    if (run->first < 0 || run->first >= run->end || run->end > prefix) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot run: %d are created", run->first,
                       run->end, prefix);
    }
    bool begins_group = run->first == 0 || table->layers[run->first - 1].ends_group;
    if (!begins_group || !table->layers[run->end - 1].ends_group) {
        return ll_fail(err, LL_E_INVALID, "layers %d to %d cannot run: not legal cuts", run->first,
                       run->end);
    }
    return LL_OK;
}

static ll_status check_input(const struct ll_table *table, const struct ll_run *run, int name,
                             struct ll_error *err)
{
    const struct ll_tensor_in *input = ll_run_find_input(run, name);
    int64_t floats = ll_table_tensor_floats(table, name);
    if (!input || !input->data) {
        return ll_fail(err, LL_E_INVALID, "tensor %d is missing: layers %d to %d read it", name,
                       run->first, run->end);
    }
    if (input->floats != floats) {
        return ll_fail(err, LL_E_INVALID, "tensor %d has %lld floats instead of %lld", name,
                       (long long)input->floats, (long long)floats);
    }
    return LL_OK;
}

/* What layer `index` reads of the tensors that are made before the range. */
static ll_status check_reads(const struct ll_table *table, const struct ll_run *run, int index,
                             struct ll_error *err)
{
    const struct ll_layer *row = &table->layers[index];
    for (int r = 0; r < row->read_count; r++) {
        if (row->reads[r] >= run->first) {
            continue;
        }
        ll_status status = check_input(table, run, row->reads[r], err);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

static ll_status check_output(const struct ll_table *table, const struct ll_run *run, int index,
                              struct ll_error *err)
{
    const struct ll_tensor_out *output = &run->outputs[index];
    int name = output->name;
    if (name < run->first || name >= run->end || table->layers[name].makes != name ||
        table->layers[name].last_reader < run->end) {
        return ll_fail(err, LL_E_INVALID, "tensor %d is no output of layers %d to %d", name,
                       run->first, run->end);
    }
    int64_t floats = table->layers[name].out_floats;
    if (output->floats != floats || !output->data) {
        return ll_fail(err, LL_E_INVALID, "output tensor %d has room for %lld floats, not %lld",
                       name, output->data ? (long long)output->floats : 0LL, (long long)floats);
    }
    for (int i = 0; i < index; i++) {
        if (run->outputs[i].name == name) {
            return ll_fail(err, LL_E_INVALID, "output tensor %d is asked for twice", name);
        }
    }
    return LL_OK;
}

ll_status ll_engine_check_run(const struct ll_table *table, int prefix, const struct ll_run *run,
                              struct ll_error *err)
{
    ll_status status = check_range(table, prefix, run, err);
    for (int i = 0; status == LL_OK && i < run->output_count; i++) {
        status = check_output(table, run, i, err);
    }
    for (int i = run->first; status == LL_OK && i < run->end; i++) {
        status = check_reads(table, run, i, err);
    }
    return status;
}
