#include "darknet_backend/dkb_onednn_omp.h"

/* As OpenMP 5.0 has them; its header comes with the compiler, and not with every compiler. */
void omp_set_num_threads(int threads);
void omp_set_max_active_levels(int levels);

void dkb_onednn_use_threads(int threads)
{
    omp_set_max_active_levels(1);
    omp_set_num_threads(threads);
}

void dkb_onednn_run_alone(void)
{
    omp_set_max_active_levels(0);
}
