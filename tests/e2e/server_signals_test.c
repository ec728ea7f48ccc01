/* The server as a process: what a signal does while calls are under way. */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/edge_client.h"
#include "tests/support/ll_test.h"

/* Nothing to upload: the model is ready as soon as an upload opens. */
static const char cfg[] = "[net]\nwidth=4\nheight=4\nchannels=1\n[maxpool]\nsize=2\nstride=2\n";

struct process {
    pid_t id;
    FILE *log;
    int port;
    struct edge_client *client;
};

/* Starts a server and waits for its port file, which is there once the log says so. */
static void start(struct process *process)
{
    char port_file[9000];
    snprintf(port_file, sizeof(port_file), "%s/port", ll_test_folder());
    const char *program = ll_test_file("edge/server");
    char *argv[] = {"server",
                    "--listen",
                    "127.0.0.1:0",
                    "--port-file",
                    port_file,
                    "--store",
                    (char *)ll_test_folder(),
                    "--log-level",
                    "debug",
                    NULL};
    int ends[2];
    posix_spawn_file_actions_t actions;
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL_FATAL(posix_spawn_file_actions_init(&actions), 0);
    CU_ASSERT_EQUAL_FATAL(posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO), 0);
    CU_ASSERT_EQUAL_FATAL(posix_spawn_file_actions_addclose(&actions, ends[0]), 0);
    CU_ASSERT_EQUAL_FATAL(posix_spawn(&process->id, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    process->log = fdopen(ends[0], "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(process->log);
    char line[1024];
    FILE *file = NULL;
    while (!file && fgets(line, sizeof(line), process->log)) {
        file = fopen(port_file, "r");
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(line, sizeof(line), file));
    process->port = (int)strtol(line, NULL, 10);
    fclose(file);
    process->client = edge_client_create(process->port);
}

/* Reads the log until a line has `text`. */
static bool await_log(struct process *process, const char *text)
{
    char line[1024];
    bool has_come = false;
    while (!has_come && fgets(line, sizeof(line), process->log)) {
        has_come = strstr(line, text) != NULL;
    }
    return has_come;
}

/* Waits for the process's end and gives its exit status; -1 where a signal killed it. */
static int finish(struct process *process)
{
    int status = 0;
    await_log(process, "\n\n");
    CU_ASSERT_EQUAL(waitpid(process->id, &status, 0), process->id);
    edge_client_destroy(process->client);
    fclose(process->log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A stream with a query whose tensor never comes. */
static struct edge_call *open_unfinished_query(struct process *process)
{
    struct fake_model model = {0};
    struct ll_partition partition = {0, 1};
    const struct ll_plan plan = {.count = 1, .partitions = &partition};
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&model.manifest, cfg, sizeof(cfg) - 1, 1), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("", 0, &model.manifest.blobs[0].digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_manifest_model_id(&model.manifest, &model.id), LL_OK);
    ll_digest_format(&model.id, model.id_text);
    struct edge_call *upload = edge_call_open(process->client, "Upload");
    edge_call_send_open(upload, &model, &plan);
    CU_ASSERT_EQUAL_FATAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    ll_manifest_finish(&model.manifest);

    uint32_t shape = 16;
    Layerlift__V1__Tensor tensor = LAYERLIFT__V1__TENSOR__INIT;
    Layerlift__V1__Tensor *tensors[1] = {&tensor};
    Layerlift__V1__Query query = LAYERLIFT__V1__QUERY__INIT;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    tensor.name = -1;
    tensor.shape = &shape;
    tensor.n_shape = 1;
    query.id = 1;
    query.model_id = model.id_text;
    query.end = 1;
    query.tensors = tensors;
    query.n_tensors = 1;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
    request.query = &query;
    struct edge_call *offload = edge_call_open(process->client, "Offload");
    edge_call_send(offload, &request.base);
    /* The server has it once it has refused the one behind. */
    query.id = 2;
    query.model_id = "";
    struct edge_answer answer;
    edge_call_send(offload, &request.base);
    CU_ASSERT_FATAL(edge_call_answer(offload, &answer));
    CU_ASSERT_EQUAL(answer.id, 2);
    CU_ASSERT_EQUAL(answer.status, LL_E_INVALID);
    edge_answer_finish(&answer);
    return offload;
}

static void test_signal_ends_an_idle_server_with_0(void)
{
    struct process process;
    start(&process);
    CU_ASSERT_EQUAL(kill(process.id, SIGTERM), 0);
    CU_ASSERT(await_log(&process, "SIGTERM: ending"));
    CU_ASSERT_EQUAL(finish(&process), 0);
}

static void test_signal_waits_for_calls_then_ends_with_0(void)
{
    struct process process;
    start(&process);
    struct edge_call *offload = open_unfinished_query(&process);
    CU_ASSERT_EQUAL(kill(process.id, SIGTERM), 0);
    CU_ASSERT(await_log(&process, "SIGTERM: ending"));
    /* Nobody sends the tensor: the call is cancelled when the drain is over. */
    ll_status status = edge_call_end(offload, NULL);
    CU_ASSERT(status == LL_E_CANCELLED || status == LL_E_UNAVAILABLE);
    edge_call_close(offload);
    CU_ASSERT_EQUAL(finish(&process), 0);
}

static void test_second_signal_ends_it_at_once_with_1(void)
{
    struct process process;
    start(&process);
    struct edge_call *offload = open_unfinished_query(&process);
    /* Both are there when the server goes on: it cannot have ended in between. */
    CU_ASSERT_EQUAL(kill(process.id, SIGSTOP), 0);
    CU_ASSERT_EQUAL(kill(process.id, SIGTERM), 0);
    CU_ASSERT_EQUAL(kill(process.id, SIGINT), 0);
    CU_ASSERT_EQUAL(kill(process.id, SIGCONT), 0);
    CU_ASSERT(await_log(&process, "ending"));
    CU_ASSERT(await_log(&process, "second signal"));
    CU_ASSERT_EQUAL(edge_call_end(offload, NULL), LL_E_UNAVAILABLE);
    edge_call_close(offload);
    CU_ASSERT_EQUAL(finish(&process), 1);
}

const char *const ll_test_suite = "server_signals";
const struct ll_test ll_tests[] = {
    LL_TEST(test_signal_ends_an_idle_server_with_0),
    LL_TEST(test_signal_waits_for_calls_then_ends_with_0),
    LL_TEST(test_second_signal_ends_it_at_once_with_1),
    {NULL, NULL},
};
