/* Every key of every section's table: one that is read is read and says one thing, one without
 * effect is taken whatever it says, a foreign one is refused unless it says nothing, and what is in
 * no table is refused. */
#include "darknet_backend/network/dkb_keys.h"

#include <stdio.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_test.h"

/* A layer of 2 x 2 x 14 before the section, so that every type of layer can follow; the section's
 * keys begin in line 8. */
#define BEFORE "[net]\nwidth=2\nheight=2\nchannels=4\n[conv]\nfilters=14\n"
enum { KEY_LINE = 8 };

struct section {
    /* As in the tables. */
    const char *name;
    /* What it cannot do without: pairs of key and value. */
    const char *needs[8];
};

static const struct section sections[] = {
    {"convolutional", {NULL}},
    {"deconvolutional", {NULL}},
    {"local", {NULL}},
    {"connected", {NULL}},
    {"batchnorm", {NULL}},
    {"maxpool", {NULL}},
    {"avgpool", {NULL}},
    {"upsample", {NULL}},
    {"reorg", {NULL}},
    {"crop", {NULL}},
    {"route", {"layers", "0", NULL}},
    {"shortcut", {"from", "0", NULL}},
    {"dropout", {NULL}},
    {"cost", {NULL}},
    {"softmax", {NULL}},
    {"activation", {NULL}},
    {"logistic", {NULL}},
    {"l2norm", {NULL}},
    {"normalization", {NULL}},
    {"yolo", {"classes", "2", "num", "2", NULL}},
    {"region", {"classes", "2", "num", "2", NULL}},
    {"detection", {"side", "2", "coords", "4", "num", "2", NULL, NULL}},
};
enum { SECTION_COUNT = sizeof(sections) / sizeof(sections[0]) };

static ll_status parse(const char *cfg, struct ll_error *err)
{
    struct ll_network *network = NULL;
    err->text[0] = '\0';
    ll_status status = dkb_network_parse(cfg, strlen(cfg), &network, err);
    ll_network_unref(network);
    return status;
}

/* The section with `lines` first, then what it needs but `key`. */
static ll_status parse_section(const struct section *section, const char *key, const char *lines,
                               struct ll_error *err)
{
    char cfg[1024];
    int length = snprintf(cfg, sizeof(cfg), BEFORE "[%s]\n%s", section->name, lines);
    for (int i = 0; section->needs[i]; i += 2) {
        if (strcmp(section->needs[i], key) != 0) {
            length += snprintf(cfg + length, sizeof(cfg) - (size_t)length, "%s=%s\n",
                               section->needs[i], section->needs[i + 1]);
        }
    }
    /* Its boxes: (1 + 4) x 2 + 4. */
    if (strcmp(section->name, "detection") == 0 && strcmp(key, "classes") != 0) {
        snprintf(cfg + length, sizeof(cfg) - (size_t)length, "classes=4\n");
    }
    return parse(cfg, err);
}

/* `status` 0: whatever. */
static void expect(ll_status actual, ll_status status, const struct ll_error *err,
                   const char *sentence)
{
    if (actual == LL_OK || (status != LL_OK && actual != status) || !strstr(err->text, sentence)) {
        fprintf(stderr, "%s: %s\nexpected %s: %s\n", ll_status_name(actual), err->text,
                ll_status_name(status), sentence);
        CU_FAIL("another refusal than expected");
    }
}

static void check_read(const struct section *section, const char *key)
{
    struct ll_error err = {.text = ""};
    char lines[128];
    char sentence[128];
    snprintf(lines, sizeof(lines), "%s=?\n", key);
    snprintf(sentence, sizeof(sentence), "line %d, [%s] %s=?: ", KEY_LINE, section->name, key);
    expect(parse_section(section, key, lines, &err), LL_OK, &err, sentence);

    snprintf(lines, sizeof(lines), "%s\n", key);
    snprintf(sentence, sizeof(sentence), "line %d, [%s] %s: has no value", KEY_LINE, section->name,
             key);
    expect(parse_section(section, key, lines, &err), LL_E_INVALID, &err, sentence);

    snprintf(lines, sizeof(lines), "%s=\n", key);
    snprintf(sentence, sizeof(sentence), "line %d, [%s] %s=: has no value", KEY_LINE, section->name,
             key);
    expect(parse_section(section, key, lines, &err), LL_E_INVALID, &err, sentence);

    snprintf(lines, sizeof(lines), "%s=1\n%s=1\n%s=2\n", key, key, key);
    snprintf(sentence, sizeof(sentence),
             "line %d, [%s] %s=2: a second value of this key; the first is in line %d",
             KEY_LINE + 2, section->name, key, KEY_LINE);
    expect(parse_section(section, key, lines, &err), LL_E_INVALID, &err, sentence);
}

static void check_taken(const struct section *section, const char *lines)
{
    struct ll_error err = {.text = ""};
    if (parse_section(section, "", lines, &err) != LL_OK) {
        fprintf(stderr, "[%s] %s%s\n", section->name, lines, err.text);
        CU_FAIL("a key without effect was refused");
    }
}

static void check_without_effect(const struct section *section, const char *key)
{
    char lines[256];
    snprintf(lines, sizeof(lines), "%s=?\n%s=1\n%s\n%s=\n", key, key, key, key);
    check_taken(section, lines);
}

static void check_foreign(const struct section *section, const struct dkb_keys_foreign *foreign)
{
    struct ll_error err = {.text = ""};
    char lines[128];
    char sentence[256];
    bool is_stride = strcmp(foreign->neutral, DKB_KEYS_STRIDE) == 0;
    snprintf(lines, sizeof(lines), "%s=%s\n", foreign->key, is_stride ? "1" : foreign->neutral);
    check_taken(section, lines);

    snprintf(lines, sizeof(lines), "%s=7\n", foreign->key);
    snprintf(sentence, sizeof(sentence), "line %d, [%s] %s=7: not supported: %s", KEY_LINE,
             section->name, foreign->key, foreign->meaning);
    expect(parse_section(section, "", lines, &err), LL_E_UNSUPPORTED, &err, sentence);

    snprintf(lines, sizeof(lines), "%s=%s\n%s=0x\n", foreign->key,
             is_stride ? "1" : foreign->neutral, foreign->key);
    expect(parse_section(section, "", lines, &err), LL_E_UNSUPPORTED, &err, "=0x: not supported");

    snprintf(lines, sizeof(lines), "%s\n", foreign->key);
    expect(parse_section(section, "", lines, &err), LL_E_INVALID, &err, ": has no value");
}

static void check_tables(const struct section *section, const struct dkb_keys *keys)
{
    for (const char *const *key = keys->read; key && *key; key++) {
        check_read(section, *key);
    }
    for (const char *const *key = keys->without_effect; key && *key; key++) {
        check_without_effect(section, *key);
    }
    for (const struct dkb_keys_foreign *next = keys->foreign; next && next->key; next++) {
        check_foreign(section, next);
    }
}

static void test_every_key_of_every_layer(void)
{
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct dkb_keys *keys = dkb_keys_of(sections[i].name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
        check_taken(&sections[i], "");
        check_tables(&sections[i], keys);
        check_tables(&sections[i], dkb_keys_of_layers());
    }
    CU_ASSERT_PTR_NULL(dkb_keys_of("rnn"));
    CU_ASSERT_PTR_NULL(dkb_keys_of("[net]"));
}

static ll_status parse_net(const char *lines, struct ll_error *err)
{
    char cfg[1024];
    snprintf(cfg, sizeof(cfg), "[net]\n%s[avg]\n", lines);
    return parse(cfg, err);
}

#define SHAPE "width=8\nheight=8\nchannels=4\n"

static void test_every_key_of_net(void)
{
    const struct dkb_keys *keys = dkb_keys_of("net");
    CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
    struct ll_error err = {.text = ""};
    char lines[256];
    char sentence[128];
    for (const char *const *key = keys->read; *key; key++) {
        snprintf(lines, sizeof(lines), "%s=?\n", *key);
        snprintf(sentence, sizeof(sentence), "line 2, [net] %s=?: not a whole number", *key);
        expect(parse_net(lines, &err), LL_E_INVALID, &err, sentence);
        snprintf(lines, sizeof(lines), "%s=2\n%s=3\n", *key, *key);
        expect(parse_net(lines, &err), LL_E_INVALID, &err, "=3: a second value of this key; the");
    }
    for (const char *const *key = keys->without_effect; *key; key++) {
        bool is_checked = strcmp(*key, "batch") == 0 || strcmp(*key, "subdivisions") == 0;
        snprintf(lines, sizeof(lines), SHAPE "%s=%s\n%s=2\n%s\n", *key, is_checked ? "1" : "?",
                 *key, *key);
        CU_ASSERT_EQUAL(parse_net(lines, &err), LL_OK);
    }
    CU_ASSERT_EQUAL(parse_net(SHAPE "letter_box=1\n", &err), LL_OK);
    expect(parse_net(SHAPE "letter_box=0\n", &err), LL_E_UNSUPPORTED, &err,
           "line 5, [net] letter_box=0: not supported: pictures that are stretched");
    expect(parse_net(SHAPE "chanels=3\n", &err), LL_E_INVALID, &err,
           "line 5, [net] chanels=3: not a key of this section; did you mean channels?");
    /* Those that all layers have are not its own. */
    expect(parse_net(SHAPE "dontload=0\n", &err), LL_E_INVALID, &err, "not a key of this section");
}

static void test_unknown_keys_are_refused(void)
{
    static const struct {
        const char *cfg;
        const char *sentence;
    } cases[] = {
        {BEFORE "[convolutional]\nfilter=4\nsize=3\n",
         "line 8, [convolutional] filter=4: not a key of this section; did you mean filters?"},
        {BEFORE "[conv]\nsize=3\nactvation=relu\n",
         "line 9, [conv] actvation=relu: not a key of this section; did you mean activation?"},
        {BEFORE "[conv]\nFilters=3\n", "did you mean filters?"},
        {BEFORE "[conv]\nbatchnormalize=1\n", "did you mean batch_normalize?"},
        {BEFORE "[conv]\ndialtion=2\n", "did you mean dilation?"},
        {BEFORE "[conv]\nstop_backward=1\n", "did you mean stopbackward?"},
        {BEFORE "[conv]\nfilters 4\n", "line 8, [conv] filters4: not a key of this section; did"},
        {BEFORE "[conv]\nfilters:4\n", "line 8, [conv] filters:4: not a key of this section"},
        {BEFORE "[conv]\nclasses=4\n", "[conv] classes=4: not a key of this section"},
        {BEFORE "[conv]\n=4\n", "line 8, [conv] =4: not a key of this section"},
        {BEFORE "[conv]\n=\n", "line 8, [conv] =: not a key of this section"},
        {BEFORE "[conv]\n\xc2\xa0size=3\n", "[conv] ??size=3: not a key of this section"},
        {BEFORE "[conv]\nx\x1b[31m=3\n", "[conv] x?[31m=3: not a key of this section"},
        {BEFORE "[route]\nlayer=0\n", "[route] layer=0: not a key of this section; did you mean"},
        {BEFORE "[shortcut]\nform=0\n",
         "[shortcut] form=0: not a key of this section; did you mean"},
        {BEFORE "[avg]\nsize=2\n", "[avg] size=2: not a key of this section"},
        {BEFORE "[upsample]\nstride=2\nfilters=3\n", "line 9, [upsample] filters=3: not a key"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ll_error err = {.text = ""};
        expect(parse(cases[i].cfg, &err), LL_E_INVALID, &err, cases[i].sentence);
    }
    /* Nothing is near a word that is far from all. */
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(parse(BEFORE "[conv]\nquux=4\n", &err), LL_E_INVALID);
    CU_ASSERT_PTR_NULL(strstr(err.text, "did you mean"));
    char cfg[512] = BEFORE "[conv]\n";
    size_t length = strlen(cfg);
    memset(cfg + length, 'a', 300);
    CU_ASSERT_EQUAL(parse(cfg, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NULL(strstr(err.text, "did you mean"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "aaaa...: not a key of this section"));
}

static void test_equal_values_of_foreign_keys_are_numbers(void)
{
    static const char *const taken[] = {
        "[yolo]\nclasses=2\nnum=2\nscale_x_y = 1.00\nnew_coords=0\nbeta_nms=.6\n",
        "[yolo]\nclasses=2\nnum=2\nnms_kind=default\niou_loss=ciou\nmax_delta=5\nresize=1.5\n",
        "[conv]\nstride=2\nstride_x=2\nstride_y=02\ndilation=1#none\n",
        "[maxpool]\nsize=2\nstride_x=2\nstride_y=2\nstride=2\nmaxpool_depth=0\nout_channels=9\n",
        "[route]\nlayers=0\ngroups=1\ngroup_id=0\n",
        "[shortcut]\nfrom=0\nweights_type=none\n",
    };
    static const char *const refused[] = {
        "[yolo]\nclasses=2\nnum=2\nscale_x_y=1.05\n",
        "[yolo]\nclasses=2\nnum=2\nscale_x_y=1.0x\n",
        "[yolo]\nclasses=2\nnum=2\nnms_kind=greedynms\n",
        "[yolo]\nclasses=2\nnum=2\nnms_kind=diounms\n",
        "[yolo]\nclasses=2\nnum=2\nnew_coords=1\n",
        "[conv]\nstride=2\nstride_x=2\nstride_y=1\n",
        "[conv]\nstride_x=2\nstride_y=2\n",
        "[conv]\nshare_index=0\n",
        "[conv]\nantialiasing=1\n",
        "[conv]\nbin_output=1\n",
        "[conv]\ncoordconv=1\n",
        "[conv]\nsize=3\npad=1\ndilation=2\n",
        "[maxpool]\nantialiasing=1\n",
        "[maxpool]\nmaxpool_zero_nonmax=1\n",
        "[shortcut]\nfrom=0\nweights_normalization=relu\n",
        "[yolo]\nclasses=2\nnum=2\nbeta_nms=0.7\n",
        "[yolo]\nclasses=2\nnum=2\nembedding_layer=-4\n",
        "[maxpool]\nsize=2\nstride=2\nstride_x=1\n",
        "[maxpool]\nmaxpool_depth=1\nout_channels=2\n",
        "[route]\nlayers=0\ngroups=2\n",
        "[route]\nlayers=0\ngroup_id=1\n",
        "[shortcut]\nfrom=0\nweights_type=per_channel\n",
    };
    struct ll_error err = {.text = ""};
    char cfg[512];
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        snprintf(cfg, sizeof(cfg), BEFORE "%s", taken[i]);
        CU_ASSERT_EQUAL(parse(cfg, &err), LL_OK);
        CU_ASSERT_STRING_EQUAL(err.text, "");
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        snprintf(cfg, sizeof(cfg), BEFORE "%s", refused[i]);
        expect(parse(cfg, &err), LL_E_UNSUPPORTED, &err, ": not supported: ");
    }
}

static void test_other_foreign_keys_are_named_too(void)
{
    struct ll_error err = {.text = ""};
    ll_status status = parse(
        BEFORE "[yolo]\nclasses=2\nnum=2\nscale_x_y=2.0\nbeta_nms=0.6\nnew_coords=1\nnms_kind=x\n",
        &err);
    expect(
        status, LL_E_UNSUPPORTED, &err,
        "line 10, [yolo] scale_x_y=2.0: not supported: boxes whose centres reach beyond their "
        "cells, of another dialect of Darknet; nor new_coords (line 12); nor nms_kind (line 13)");
    /* As many as fit. */
    char cfg[4096] = BEFORE "[conv]\n";
    char *next = cfg + strlen(cfg);
    for (int i = 0; i < 100; i++) {
        next = stpcpy(next, "dilation=2\n");
    }
    expect(parse(cfg, &err), LL_E_UNSUPPORTED, &err, "; nor dilation (line 12)");
    CU_ASSERT_EQUAL(err.text[strlen(err.text) - 1], ')');
}

const char *const ll_test_suite = "dkb_keys";
const struct ll_test ll_tests[] = {
    LL_TEST(test_every_key_of_every_layer),
    LL_TEST(test_every_key_of_net),
    LL_TEST(test_unknown_keys_are_refused),
    LL_TEST(test_equal_values_of_foreign_keys_are_numbers),
    LL_TEST(test_other_foreign_keys_are_named_too),
    {NULL, NULL},
};
