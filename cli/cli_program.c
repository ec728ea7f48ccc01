#include "cli/cli_program.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/ll_output.h"

/* atexit has no argument. */
static const char *program_name;

static void end_stdout(void)
{
    if (!ll_output_end_stdout(program_name)) {
        _exit(EXIT_FAILURE);
    }
}

void cli_program_begin(const char *name)
{
    program_name = name;
    ll_output_keep_streams();
    atexit(end_stdout);
}
