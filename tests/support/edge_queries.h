/* A server that has begun a model, for tests of queries.
 *
 * Threads: the test's. */
#ifndef EDGE_QUERIES_H
#define EDGE_QUERIES_H

#include "tests/support/edge_fixture.h"

/* Layers 1 and 2 are one group; the last layer reads the input too. Tensor 4 is large. */
extern const char edge_queries_cfg[];
enum { EDGE_QUERIES_LAYERS = 6, EDGE_QUERIES_LARGE_BYTES = 400000 };

/* Starts the server, with the fixture's configuration if it has been initialised (a fixture of
 * zeros has not), and uploads the model's first `layers`. */
void edge_queries_set_up(struct edge_fixture *fixture, struct fake_model *model, int layers);

#endif
