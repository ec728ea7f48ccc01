/* Plans an upload, from a profile or from a model that it measures. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_program.h"
#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "core/ll_options.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "net/plan/ll_chain_csv.h"
#include "net/plan/ll_plan.h"
#include "tools/plan_measure.h"
#include "tools/plan_options.h"
#include "tools/plan_report.h"

static ll_status read_profile(const char *path, struct ll_chain *out_chain, struct ll_error *err)
{
    struct ll_buf *text = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_PROFILE_BYTES, &text, err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_chain_csv_parse(ll_buf_data(text), ll_buf_bytes(text), out_chain, err);
    ll_buf_unref(text);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
    }
    return status;
}

static ll_status report(const struct plan_options *options, const struct plan_report *plan_report,
                        struct ll_error *err)
{
    if (!options->json || strcmp(options->json, "-") != 0) {
        plan_report_print(plan_report);
    }
    return options->json ? plan_report_write(plan_report, options->json, err) : LL_OK;
}

static ll_status plan_chain(const struct plan_options *options, const struct ll_chain *chain,
                            const struct plan_machine *machine, struct ll_error *err)
{
    struct ll_plan plan;
    bool was_sorted = false;
    ll_status status =
        ll_plan_from_chain(chain, options->partitioner, &options->terms, &plan, &was_sorted, err);
    if (status != LL_OK) {
        return status;
    }
    const struct plan_report plan_report = {
        .chain = chain,
        .plan = &plan,
        .was_sorted = was_sorted,
        .partitioner = options->partitioner,
        .bandwidth_mbps = options->bandwidth_mbps,
        .terms = &options->terms,
        .source = options->profile ? options->profile : options->model.cfg,
        .machine = machine,
        .slowdown = options->model.slowdown,
        .has_seeded_weights = !options->model.weights,
    };
    status = report(options, &plan_report, err);
    ll_plan_finish(&plan);
    return status;
}

static ll_status plan(const struct plan_options *options, struct ll_error *err)
{
    struct ll_chain chain;
    struct plan_machine machine;
    ll_status status = options->profile ? read_profile(options->profile, &chain, err)
                                        : plan_measure(&options->model, &chain, &machine, err);
    if (status != LL_OK) {
        return status;
    }
    status = plan_chain(options, &chain, options->profile ? NULL : &machine, err);
    ll_chain_finish(&chain);
    return status;
}

int main(int argc, char **argv)
{
    cli_program_begin("plan");
    struct plan_options options;
    plan_options_parse(argc, argv, &options);
    ll_options_enter_caller_folder();
    ll_thread_flush_denormals();

    struct ll_error err = {.text = ""};
    ll_status status = plan(&options, &err);
    if (status != LL_OK) {
        ll_text_complain("plan", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
