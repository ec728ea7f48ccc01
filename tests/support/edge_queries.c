#include "tests/support/edge_queries.h"

const char edge_queries_cfg[] = "fake\n"
                                "input 3000\n"
                                "layer 1600 1000\n"
                                "layer 16 2000 joined\n"
                                "layer 8 500 reads 0 1\n"
                                "layer 8 0\n"
                                "layer 100000 100\n"
                                "layer 5 300 reads 4 -1\n";

void edge_queries_set_up(struct edge_fixture *fixture, struct fake_model *model, int layers)
{
    if (!fixture->engine) {
        edge_fixture_init(fixture);
    }
    edge_fixture_start(fixture);
    fake_model_init(model, edge_queries_cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture->client, model, NULL);
    edge_call_send_layers(upload, model, 0, layers);
    if (layers > 0) {
        edge_fixture_await_prefix(fixture, model, layers);
    }
    edge_call_close(upload);
}
