/* What layers there are, and what stands behind them: a network's own words, whoever wrote it down.
 *
 * Threads: constants. */
#ifndef LL_KINDS_H
#define LL_KINDS_H

typedef enum {
    LL_KIND_CONVOLUTIONAL,
    LL_KIND_DECONVOLUTIONAL,
    LL_KIND_CONNECTED,
    LL_KIND_MAXPOOL,
    LL_KIND_AVGPOOL,
    LL_KIND_LOCAL,
    LL_KIND_BATCHNORM,
    LL_KIND_SHORTCUT,
    LL_KIND_ROUTE,
    LL_KIND_UPSAMPLE,
    LL_KIND_REORG,
    LL_KIND_CROP,
    LL_KIND_DROPOUT,
    LL_KIND_COST,
    LL_KIND_SOFTMAX,
    LL_KIND_ACTIVATION,
    LL_KIND_LOGISTIC,
    LL_KIND_L2NORM,
    LL_KIND_NORMALIZATION,
    LL_KIND_YOLO,
    LL_KIND_REGION,
    LL_KIND_DETECTION,
    LL_KIND_COUNT,
} ll_layer_kind;

/* Element by element, as Darknet's activations of the same names. */
typedef enum {
    LL_ACTIVATION_LINEAR,
    LL_ACTIVATION_ELU,
    LL_ACTIVATION_HARDTAN,
    LL_ACTIVATION_LEAKY,
    LL_ACTIVATION_LHTAN,
    LL_ACTIVATION_LOGGY,
    LL_ACTIVATION_LOGISTIC,
    LL_ACTIVATION_PLSE,
    LL_ACTIVATION_RAMP,
    LL_ACTIVATION_RELIE,
    LL_ACTIVATION_RELU,
    LL_ACTIVATION_SELU,
    LL_ACTIVATION_STAIR,
    LL_ACTIVATION_TANH,
    LL_ACTIVATION_COUNT,
} ll_activation;

#endif
