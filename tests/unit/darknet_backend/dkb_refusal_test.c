/* Every malformed cfg is refused, with a sentence that names line, section, key and reason. Most of
 * these crash stock Darknet or make it read or write past its memory. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_test.h"

/* An input of 8 x 8 x 4; the layers begin in line 5. */
#define NET "[net]\nwidth=8\nheight=8\nchannels=4\n"
/* 10 flat floats behind it: lines 5 to 7, then a softmax in line 8. */
#define FLAT "[connected]\noutput=10\nactivation=linear\n[softmax]\n"

struct refusal {
    const char *cfg;
    ll_status status;
    /* Part of the sentence. */
    const char *reason;
};

static void check(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ll_network *network = NULL;
        struct ll_error err = {.text = ""};
        ll_status status = dkb_network_parse(cases[i].cfg, strlen(cases[i].cfg), &network, &err);
        if (status != cases[i].status || network || !strstr(err.text, cases[i].reason)) {
            fprintf(stderr, "%.200s\n-> %s: %s\nexpected %s: %s\n\n", cases[i].cfg,
                    ll_status_name(status), err.text, ll_status_name(cases[i].status),
                    cases[i].reason);
            CU_FAIL("another refusal than expected");
        }
        /* Programs are told of a limit by its name; asking again is no use. */
        bool has_limit = status == LL_E_EXHAUSTED && !strstr(err.text, "too large together");
        CU_ASSERT_EQUAL(err.limit[0] != '\0', has_limit);
        CU_ASSERT_EQUAL(err.limit_value > 0, has_limit);
        CU_ASSERT_EQUAL(err.retry_ms, 0);
        ll_network_unref(network);
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_refuse_bad_structure(void)
{
    static const struct refusal cases[] = {
        {"", LL_E_INVALID, "no sections; a cfg begins with [net]"},
        {"filters=3\n[net]\n", LL_E_INVALID, "line 1: an option before any section"},
        {"[net]\nwidth=8\nheight=8\nchannels=3\n", LL_E_INVALID, "the cfg has no layers"},
        {"[conv]\n[net]\nwidth=8\n", LL_E_INVALID,
         "line 1, [conv]: the first section must be [net] or [network]"},
        {NET "[conv]\n\n[net]\n", LL_E_INVALID, "line 7, [net]: not a layer type"},
        {NET "[convolution]\n", LL_E_INVALID,
         "line 5, [convolution]: not a layer type; did you mean [convolutional]?"},
        {NET "[Convolutional]\n", LL_E_INVALID,
         "line 5, [Convolutional]: not a layer type; did you mean [convolutional]?"},
        {NET "[conv\n", LL_E_INVALID, "line 5, [conv: not a layer type; did you mean [conv]?"},
        {NET "[conv] # the first\n", LL_E_INVALID,
         "line 5, [conv]#thefirst: not a layer type; did you mean [conv]?"},
        {NET "[\x01\x02]\n", LL_E_INVALID, "line 5, [\?\?]: not a layer type"},
        {NET "[rnn]\n", LL_E_UNSUPPORTED, "line 5, [rnn]: recurrent layers are not supported"},
        {NET "[gru]\n", LL_E_UNSUPPORTED, "[gru]: recurrent layers are not supported"},
        {NET "[lstm]\n", LL_E_UNSUPPORTED, "[lstm]: recurrent layers are not supported"},
        {NET "[crnn]\n", LL_E_UNSUPPORTED, "[crnn]: recurrent layers are not supported"},
        {NET "[iseg]\n", LL_E_UNSUPPORTED, "[iseg]: instance segmentation is not supported"},
        {NET "[conv_lstm]\n", LL_E_UNSUPPORTED, "recurrent layers are not supported"},
        {NET "[history]\n", LL_E_UNSUPPORTED, "recurrent layers are not supported"},
        {NET "[Gaussian_yolo]\n", LL_E_UNSUPPORTED, "boxes with uncertainties are not supported"},
        {NET "[scale_channels]\n", LL_E_UNSUPPORTED,
         "line 5, [scale_channels]: the product of a tensor with a number for each channel is"},
        {NET "[sam]\n", LL_E_UNSUPPORTED, "[sam]: the product of two tensors is not supported"},
        {NET "[local_avgpool]\n", LL_E_UNSUPPORTED, "averages over windows are not supported"},
        {NET "[reorg3d]\n", LL_E_UNSUPPORTED, "[reorg3d]: not supported; [reorg] is"},
        {NET "[implicit]\n", LL_E_UNSUPPORTED, "constant tensors are not supported"},
        {NET "[contrastive]\n", LL_E_UNSUPPORTED, "not supported: a layer of another dialect"},
        {NET "[cost]\n[cost]\n", LL_E_INVALID, "only cost layers: the network has no output"},
        {NET "[dropout]\n", LL_E_INVALID, "line 5, [dropout]: a dropout cannot be the first layer"},
        {NET "[avg]\ntruth=1\n", LL_E_UNSUPPORTED, "line 6, [avg] truth=1: not supported"},
        {NET "[conv]\ndontload=1\n", LL_E_UNSUPPORTED, "line 6, [conv] dontload=1: not supported"},
        {NET "[conv]\nnumload=2\n", LL_E_UNSUPPORTED, "line 6, [conv] numload=2: not supported"},
    };
    CHECK(cases);
}

static void test_refuse_bad_net(void)
{
    static const struct refusal cases[] = {
        {"[net]\n[avg]\n", LL_E_INVALID,
         "line 1, [net]: needs width, height and channels, or inputs"},
        {"[net]\nwidth=8\nheight=8\n[avg]\n", LL_E_INVALID, "needs width, height and channels"},
        {"[net]\nwidth=-3\nheight=-3\nchannels=4\n[avg]\n", LL_E_INVALID,
         "[net] height=-3: must be from 0 to 1048576"},
        {"[net]\nwidth=8\nheight=8\nchannels=-1\n[avg]\n", LL_E_INVALID, "channels=-1: must be"},
        {"[net]\nwidth=1048577\nheight=1\nchannels=1\n[avg]\n", LL_E_INVALID,
         "line 2, [net] width=1048577: must be from 0 to 1048576"},
        {"[net]\nwidth=99999\nheight=99999\nchannels=3\n[avg]\n", LL_E_EXHAUSTED,
         "line 1, [net]: width x height x channels is 29999400003, the limit is 134217728"},
        {"[net]\nwidth=8\nheight=8\nchannels=3\ninputs=100\n[avg]\n", LL_E_INVALID,
         "line 5, [net] inputs=100: width x height x channels is 192"},
        {"[net]\ninputs=-5\n[conn]\n", LL_E_INVALID, "inputs=-5: must be from 0"},
        {"[net]\ninputs=200000000\n[conn]\n", LL_E_INVALID, "inputs=200000000: must be from 0"},
        {"[net]\nsubdivisions=0\ninputs=5\n[conn]\n", LL_E_INVALID, "subdivisions=0: must be"},
        {"[net]\nbatch=big\ninputs=5\n[conn]\n", LL_E_INVALID, "batch=big: not a whole number"},
        {"[net]\ninputs=64\n[conv]\n", LL_E_INVALID,
         "line 3, [conv]: needs width x height x channels, but what comes before has no shape"},
    };
    CHECK(cases);
}

static void test_refuse_bad_convolutions(void)
{
    static const struct refusal cases[] = {
        {NET "[convolutional]\nfilters=abc\n", LL_E_INVALID,
         "line 6, [convolutional] filters=abc: not a whole number"},
        {NET "[conv]\nfilters=0\n", LL_E_INVALID, "filters=0: must be from 1 to 1048576"},
        {NET "[conv]\nfilters=-4\n", LL_E_INVALID, "filters=-4: must be from 1"},
        {NET "[conv]\nfilters=99999999999\n", LL_E_INVALID, "filters=99999999999: must be from"},
        {NET "[conv]\nsize=0\n", LL_E_INVALID, "size=0: must be from 1"},
        {NET "[conv]\nsize=-1\n", LL_E_INVALID, "size=-1: must be from 1"},
        {NET "[conv]\nstride=0\n", LL_E_INVALID, "line 6, [conv] stride=0: must be from 1"},
        {NET "[conv]\nstride=-2\n", LL_E_INVALID, "stride=-2: must be from 1"},
        {NET "[conv]\nsize=3\npadding=-1\n", LL_E_INVALID, "padding=-1: must be from 0"},
        {NET "[conv]\ngroups=0\n", LL_E_INVALID, "groups=0: must be from 1"},
        {NET "[conv]\ngroups=3\nfilters=3\n", LL_E_INVALID,
         "groups=3: must divide the 4 input channels and the 3 filters"},
        {NET "[conv]\ngroups=4\nfilters=3\n", LL_E_INVALID, "groups=4: must divide the 4 input"},
        {NET "[conv]\nsize=9\n", LL_E_INVALID, "size=9: larger than the padded input, which has 8"},
        {NET "[conv]\nsize=1\npadding=1\n", LL_E_INVALID,
         "padding=1: a 1x1 convolution with padding reads past its input"},
        {NET "[conv]\nactivation=mish\n", LL_E_UNSUPPORTED,
         "line 6, [conv] activation=mish: not supported: an activation of another dialect"},
        {NET "[conv]\nactivation=laeky\n", LL_E_INVALID,
         "line 6, [conv] activation=laeky: not an activation; did you mean leaky?"},
        {NET "[conv]\nactivation=Leaky\n", LL_E_INVALID, "did you mean leaky?"},
        {NET "[conv]\nactivation=leaky#x\n", LL_E_INVALID, "did you mean leaky?"},
        {NET "[conv]\nactivation=swihs\n", LL_E_INVALID, "did you mean swish?"},
        {NET "[conv]\nactivation=softsign\n", LL_E_INVALID, "softsign: not an activation"},
        {NET "[conv]\nxnor=1\n", LL_E_UNSUPPORTED, "xnor=1: xnor layers are not supported"},
        {NET "[conv]\nflipped=1\ngroups=2\nfilters=2\n", LL_E_UNSUPPORTED,
         "flipped=1: Darknet cannot load flipped weights in groups"},
        {NET "[conv]\nfilters=1048576\nsize=1000\npad=1\n", LL_E_EXHAUSTED, "bytes of weights"},
        {NET "[conv]\nsize=1000000\npadding=1000000\n", LL_E_EXHAUSTED, "line 5, [conv]: the "},
        {NET "[conv]\nfilters=4\nsize=7\npadding=40000\n", LL_E_EXHAUSTED,
         "[conv]: the output has 25601280016 floats; from 1 to 134217728 are allowed"},
        {"[net]\nwidth=4096\nheight=4096\nchannels=8\n[conv]\nsize=9\npad=1\n", LL_E_EXHAUSTED,
         "needs more than 2147483648 bytes of scratch memory"},
        /* 65536 groups of 9 weights: their product is above what an int holds. */
        {"[net]\nwidth=3\nheight=3\nchannels=65536\n[conv]\nfilters=65536\ngroups=65536\nsize=3\n",
         LL_E_EXHAUSTED, "groups=65536: too large together with the layer's other sizes"},
        {"[net]\nwidth=8\nheight=8\nchannels=1048576\n[conv]\nfilters=1048576\ngroups=1048576\n",
         LL_E_EXHAUSTED, "groups=1048576: too large together"},
        {NET "[deconv]\nstride=0\n", LL_E_INVALID, "[deconv] stride=0: must be from 1"},
        {NET "[deconv]\nsize=3\npadding=6\n", LL_E_INVALID, "the output's width is -2; from 1"},
        {NET "[deconv]\nstride=1048576\n", LL_E_EXHAUSTED, "the output's width is 7340033"},
        {NET "[deconv]\nfilters=1000\nsize=1000\n", LL_E_EXHAUSTED, "line 5, [deconv]: the "},
    };
    CHECK(cases);
}

static void test_refuse_bad_weighted_layers(void)
{
    static const struct refusal cases[] = {
        {NET "[local]\nstride=0\n", LL_E_INVALID, "[local] stride=0: must be from 1"},
        {NET "[local]\nsize=9\n", LL_E_INVALID, "[local] size=9: larger than the padded input"},
        {NET "[local]\nsize=5\npad=1\n", LL_E_INVALID,
         "[local] pad=1: Darknet contradicts itself about the output's size here"},
        {NET "[local]\nsize=3\npad=2\n", LL_E_INVALID, "[local] pad=2: Darknet contradicts"},
        {NET "[local]\nfilters=1048576\nsize=7\n", LL_E_EXHAUSTED, "bytes of weights"},
        {NET "[connected]\noutput=0\n", LL_E_INVALID, "[connected] output=0: must be from 1"},
        {NET "[conn]\noutput=-3\n", LL_E_INVALID, "[conn] output=-3: must be from 1"},
        {"[net]\ninputs=100000\n[conn]\noutput=100000\n", LL_E_EXHAUSTED,
         "line 3, [conn]: the layer has more than 2147483648 bytes of weights"},
        {"[net]\ninputs=30000\n[conn]\noutput=17000\n[conn]\noutput=30000\n[conn]\noutput=17000\n",
         LL_E_EXHAUSTED, "line 7, [conn]: brings the model above 4294967296 bytes of weights"},
        {NET FLAT "[batchnorm]\n", LL_E_INVALID, "line 9, [batchnorm]: needs width x height"},
    };
    CHECK(cases);
}

static void test_refuse_bad_pixel_layers(void)
{
    static const struct refusal cases[] = {
        {NET "[maxpool]\nstride=0\n", LL_E_INVALID, "[maxpool] stride=0: must be from 1"},
        {NET "[max]\nsize=0\n", LL_E_INVALID, "[max] size=0: must be from 1"},
        {NET "[max]\nsize=2\npadding=3\n", LL_E_INVALID,
         "padding=3: both sides together have at most 2 x (size - 1) = 2"},
        {NET "[max]\nsize=2\npadding=-1\n", LL_E_INVALID, "padding=-1: must be from 0"},
        {NET "[max]\nsize=9\npadding=0\n", LL_E_INVALID, "size=9: larger than the padded input"},
        {"[net]\nwidth=1048576\nheight=1\nchannels=1\n[max]\nsize=1048576\nstride=1048576\n",
         LL_E_EXHAUSTED, "size=1048576: too large together with the layer's other sizes"},
        {NET FLAT "[maxpool]\n", LL_E_INVALID, "line 9, [maxpool]: needs width x height"},
        {NET FLAT "[avgpool]\n", LL_E_INVALID, "[avgpool]: needs width x height x channels"},
        {NET "[upsample]\nstride=0\n", LL_E_INVALID, "[upsample] stride=0: must not be 0"},
        {NET "[upsample]\nstride=-3\n", LL_E_INVALID, "stride=-3: must divide the input's 8 x 8"},
        {NET "[upsample]\nstride=-2147483648\n", LL_E_INVALID, "stride=-2147483648: must be from"},
        {NET "[upsample]\nstride=100000\n", LL_E_EXHAUSTED, "floats; from 1 to 134217728"},
        {NET "[upsample]\nstride=1048576\n", LL_E_EXHAUSTED, "the output's width is 8388608"},
        {NET "[upsample]\nscale=big\n", LL_E_INVALID, "[upsample] scale=big: not a number"},
        {NET "[reorg]\nstride=0\n", LL_E_INVALID, "[reorg] stride=0: must be from 1"},
        {NET "[reorg]\nstride=3\n", LL_E_INVALID, "stride=3: its square must divide the 4 input"},
        {"[net]\nwidth=7\nheight=8\nchannels=4\n[reorg]\nstride=2\n", LL_E_INVALID,
         "stride=2: must divide the input's 7 x 8"},
        {"[net]\nwidth=8\nheight=7\nchannels=4\n[reorg]\nstride=2\n", LL_E_INVALID,
         "stride=2: must divide the input's 8 x 7"},
        {NET "[reorg]\nreverse=1\nstride=4\n", LL_E_INVALID, "stride=4: its square must divide"},
        {NET "[reorg]\nextra=-1\n", LL_E_INVALID, "extra=-1: must be from 0"},
        {NET "[reorg]\nextra=134217728\n", LL_E_EXHAUSTED, "the output has 134217984 floats"},
        {NET "[reorg]\nextra=5\nflatten=1\n", LL_E_INVALID,
         "extra=5: with flatten Darknet reads past its input"},
        {NET "[reorg]\nextra=5\n[conv]\n", LL_E_INVALID, "line 7, [conv]: needs width x height"},
        {NET "[crop]\ncrop_height=9\ncrop_width=8\n", LL_E_INVALID,
         "line 6, [crop] crop_height=9: larger than the input, which has 8 x 8"},
        {NET "[crop]\ncrop_height=8\ncrop_width=9\n", LL_E_INVALID, "crop_width=9: larger than"},
        {NET "[crop]\ncrop_height=-2\ncrop_width=-2\n", LL_E_INVALID, "crop_height=-2: must be"},
    };
    CHECK(cases);
}

static void test_refuse_bad_joins(void)
{
    static const struct refusal cases[] = {
        {NET "[route]\n", LL_E_INVALID, "line 5, [route] layers: a route must name its layers"},
        {NET "[route]\nlayers=\n", LL_E_INVALID, "line 6, [route] layers=: has no value"},
        {NET "[route]\nlayers\n", LL_E_INVALID, "line 6, [route] layers: has no value"},
        {NET "[route]\nlayers=-1\n", LL_E_INVALID,
         "line 6, [route] layers=-1: -1 names layer -1, but this is layer 0"},
        {NET "[conv]\n[route]\nlayers=1\n", LL_E_INVALID,
         "line 7, [route] layers=1: 1 names layer 1, but this is layer 1 and can only read"},
        {NET "[conv]\n[route]\nlayers=0,7\n", LL_E_INVALID, "layers=0,7: 7 names layer 7, but"},
        {NET "[conv]\n[route]\nlayers=-1,-2\n", LL_E_INVALID, "-2 names layer -1, but this is"},
        {NET "[conv]\n[route]\nlayers=-2147483648\n", LL_E_INVALID, "names layer -2147483647, but"},
        {NET "[conv]\n[route]\nlayers=-1,\n", LL_E_INVALID, "layers=-1,: item 2 is not a whole"},
        {NET "[conv]\n[max]\nstride=2\n[route]\nlayers=0,1\n[conv]\n", LL_E_INVALID,
         "line 9, [route] layers=0,1: joins 8 x 8 of layer 0 and 4 x 4 of layer 1, so that [conv] "
         "in "
         "line 10 gets no width and height"},
        {NET "[conv]\n[max]\nstride=2\n[route]\nlayers=0,1\n[dropout]\n[avg]\n", LL_E_INVALID,
         "line 9, [route] layers=0,1: joins 8 x 8 of layer 0 and 4 x 4 of layer 1, so that [avg] "
         "in "
         "line 11 gets"},
        /* Darknet lets a third layer that fits the first bring the channels back. */
        {NET "[conv]\n[max]\nstride=2\n[conv]\nstride=2\n[route]\nlayers=0,1,0\n[max]\n",
         LL_E_INVALID,
         "layers=0,1,0: joins 8 x 8 of layer 0 and 4 x 4 of layer 1, so that [max] in"},
        {NET "[conv]\n" FLAT "[route]\nlayers=0,2\n[max]\n", LL_E_INVALID,
         "layers=0,2: joins 8 x 8 of layer 0 and 0 x 0 of layer 2, so that [max] in"},
        {NET FLAT "[route]\nlayers=-1,-1\n[max]\n", LL_E_INVALID,
         "line 11, [max]: needs width x height x channels, but what comes before has no shape"},
        {NET "[shortcut]\nfrom=-1\n", LL_E_INVALID, "from=-1: -1 names layer -1, but this is"},
        {NET "[conv]\n[shortcut]\n", LL_E_INVALID,
         "line 6, [shortcut] from: a shortcut must name a layer"},
        {NET "[conv]\n[shortcut]\nfrom=1\n", LL_E_INVALID, "from=1: 1 names layer 1, but this"},
        {NET "[conv]\n[shortcut]\nfrom=-2\n", LL_E_INVALID, "from=-2: -2 names layer -1, but"},
        {NET "[conv]\n[shortcut]\nfrom=x\n", LL_E_INVALID, "from=x: not a whole number"},
        {NET "[conv]\n[shortcut]\nfrom=0\nactivation=swish\n", LL_E_UNSUPPORTED,
         "activation=swish: not supported: an activation of another dialect"},
        {NET "[conv]\n[conv]\n[shortcut]\nfrom=-2,-1\n", LL_E_UNSUPPORTED,
         "line 8, [shortcut] from=-2,-1: not supported: a sum of more than two layers"},
        {NET "[conv]\n" FLAT "[conn]\noutput=10\n[shortcut]\nfrom=-2\n", LL_E_INVALID,
         "from=-2: names a layer whose output has no shape"},
        {NET "[conv]\n" FLAT "[shortcut]\nfrom=0\n", LL_E_INVALID,
         "line 10, [shortcut]: needs width x height x channels"},
        {NET "[crop]\ncrop_width=3\ncrop_height=8\n[crop]\ncrop_width=1\ncrop_height=8\n"
             "[shortcut]\nfrom=0\n",
         LL_E_INVALID, "from=0: 3 x 8 cannot be added to 1 x 8: width and height differ by other"},
        {NET "[conv]\n[crop]\ncrop_width=8\ncrop_height=3\n[shortcut]\nfrom=0\n", LL_E_INVALID,
         "from=0: 8 x 8 cannot be added to 8 x 3"},
    };
    CHECK(cases);
}

static void test_refuse_bad_point_layers(void)
{
    static const struct refusal cases[] = {
        {NET "[softmax]\ngroups=0\n", LL_E_INVALID, "[softmax] groups=0: must be from 1"},
        {NET "[softmax]\ngroups=3\n", LL_E_INVALID, "groups=3: must divide the 256 inputs"},
        {NET "[soft]\ntemperature=0\n", LL_E_INVALID, "temperature=0: must be above 0"},
        {NET "[soft]\ntemperature=nan\n", LL_E_INVALID, "temperature=nan: not a number"},
        {NET "[soft]\ntree=9k.tree\n", LL_E_UNSUPPORTED, "tree=9k.tree: a model carries no tree"},
        {NET "[normalization]\nsize=10\n", LL_E_INVALID,
         "size=10: half of it is more than the 4 input channels"},
        {NET "[lrn]\nsize=0\n", LL_E_INVALID, "[lrn] size=0: must be from 1"},
        {NET "[lrn]\nalpha=1e999\n", LL_E_INVALID, "alpha=1e999: too large"},
        {NET FLAT "[l2norm]\n", LL_E_INVALID, "line 9, [l2norm]: needs width x height"},
        {NET FLAT "[lrn]\n", LL_E_INVALID, "line 9, [lrn]: needs width x height"},
        {NET "[activation]\nactivation=gelu\n", LL_E_UNSUPPORTED,
         "activation=gelu: not supported: an activation"},
    };
    CHECK(cases);
}

/* An input of 2 x 2 x 14, as two boxes of 4 + 1 + 2 numbers want it. */
#define BOXES "[net]\nwidth=2\nheight=2\nchannels=14\n"

static void test_refuse_bad_detectors(void)
{
    static const struct refusal cases[] = {
        {BOXES "[yolo]\nclasses=2\nnum=3\n", LL_E_INVALID,
         "line 5, [yolo]: 3 boxes of 7 numbers need 21 channels, but 14 come in"},
        {BOXES "[yolo]\nclasses=2\nnum=0\n", LL_E_INVALID, "num=0: must be from 1"},
        {BOXES "[yolo]\nclasses=2\nnum=100000\n", LL_E_INVALID, "num=100000: must be from 1"},
        {BOXES "[yolo]\nclasses=-3\nnum=7\n", LL_E_INVALID, "classes=-3: must be from 0"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nanchors=1,2,3,4,5\n", LL_E_INVALID,
         "anchors=1,2,3,4,5: 5 items, the limit is 4"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nanchors=1,x\n", LL_E_INVALID, "item 2 is not a number"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nanchors=1,2,3,-4\n", LL_E_INVALID, "item 4 is below 0"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nanchors=1,2,3\n", LL_E_INVALID,
         "anchors=1,2,3: has 3 numbers, but anchors are pairs of width and height"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nmask=0,2\n", LL_E_INVALID,
         "mask=0,2: 2 is not one of the 2 anchors"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nmask=-1,0\n", LL_E_INVALID, "-1 is not one of the 2"},
        {BOXES "[yolo]\nclasses=2\nnum=2\nmap=x\n", LL_E_UNSUPPORTED, "a model carries no map"},
        {NET FLAT "[yolo]\n", LL_E_INVALID, "line 9, [yolo]: needs width x height"},
        {BOXES "[region]\nclasses=2\nnum=3\n", LL_E_INVALID, "3 boxes of 7 numbers need 21"},
        {BOXES "[region]\nclasses=0\ncoords=0\nnum=14\n", LL_E_INVALID,
         "coords=0: a box without coordinates and classes overflows"},
        {BOXES "[region]\nclasses=2\nnum=2\nbackground=2\n", LL_E_INVALID, "must be from 0 to 1"},
        {BOXES "[region]\nclasses=2\nnum=2\nanchors=1,2,3,4,5,6\n", LL_E_INVALID,
         "6 items, the limit is 4"},
        {BOXES "[region]\nclasses=2\nnum=2\ntree=9k.tree\n", LL_E_UNSUPPORTED,
         "tree=9k.tree: a model carries no tree file"},
        {BOXES "[detection]\nside=7\n", LL_E_INVALID,
         "line 5, [detection]: side x side x ((1 + coords) x num + classes) is 147, but 56 come "
         "in"},
        {BOXES "[detection]\nside=0\n", LL_E_INVALID, "side=0: must be from 1"},
        {BOXES "[detection]\nside=1048576\nnum=1048576\ncoords=1048576\n", LL_E_INVALID,
         "is 9223372036854775807, but 56 come in"},
    };
    CHECK(cases);
}

/* `count` times `unit` behind NET must be refused for that reason. */
static void check_many(const char *unit, size_t count, const char *reason)
{
    char *text = malloc(sizeof(NET) + strlen(unit) * count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    if (text) {
        char *next = stpcpy(text, NET);
        for (size_t i = 0; i < count; i++) {
            next = stpcpy(next, unit);
        }
        const struct refusal refusal = {text, LL_E_EXHAUSTED, reason};
        check(&refusal, 1);
    }
    free(text);
}

static void test_refuse_too_much_in_all(void)
{
    check_many("[conv]\n", 100000, "line 4101: more than 4096 layers");
    check_many("[upsample]\nstride=512\n[crop]\ncrop_width=8\ncrop_height=8\n", 1000,
               "brings the tensors of one query above 4294967296 bytes");
    check_many("[maxpool]\nsize=20001\n", 4000, "brings one query above 17592186044416 operations");
    check_many("[avgpool]\nthe longest line of all\n", 200000, "a cfg of 6800034 bytes");
}

const char *const ll_test_suite = "dkb_refusal";
const struct ll_test ll_tests[] = {
    LL_TEST(test_refuse_bad_structure),    LL_TEST(test_refuse_bad_net),
    LL_TEST(test_refuse_bad_convolutions), LL_TEST(test_refuse_bad_weighted_layers),
    LL_TEST(test_refuse_bad_pixel_layers), LL_TEST(test_refuse_bad_joins),
    LL_TEST(test_refuse_bad_point_layers), LL_TEST(test_refuse_bad_detectors),
    LL_TEST(test_refuse_too_much_in_all),  {NULL, NULL},
};
