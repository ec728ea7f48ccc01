#include "device/query/device_input_forms.h"

#include <math.h>
#include <string.h>

#include "core/ll_clock.h"
#include "vision/vision_webp.h"

/* How much a new sample counts; and what a form's decoding is believed to take less with each query
 * that leaves in another one, down to a part of what was guessed at first: should a sample have
 * been an outlier, the form is tried again some time. */
#define FORMS_NEW 0.25
#define FORMS_FADING (1.0 / 64)
#define FORMS_LEAST_PART 0.25
/* Whatever an edge says, decoding takes no longer. */
#define FORMS_MOST_NS ((double)(600 * LL_NS_PER_S))

/* What is guessed before anything is known: photos on a processor of 2020 (ns by plain byte). */
static const struct device_form_cost first_costs[DEVICE_FORMS] = {
    [DEVICE_FORM_PLAIN] = {1, 0, 0},    [DEVICE_FORM_BYTES] = {1, 0, 0},
    [DEVICE_FORM_FILE] = {1, 0, 0},     [DEVICE_FORM_WEBP] = {0.4, 13, 6},
    [DEVICE_FORM_PLANES] = {0.6, 3, 1},
};

void device_input_forms_init(struct device_input_forms *forms, const struct ll_table *table)
{
    *forms = (struct device_input_forms){.table = table};
    memcpy(forms->costs, first_costs, sizeof(first_costs));
}

static void forget_input(struct device_input_forms *forms)
{
    ll_buf_unref(forms->input.floats);
    ll_buf_unref(forms->input.file.bytes);
    ll_buf_unref(forms->bytes);
    ll_buf_unref(forms->webp);
    ll_buf_unref(forms->planes);
    forms->input = (struct device_query_input){0};
    forms->bytes = forms->webp = forms->planes = NULL;
    forms->has_digest = forms->are_bytes_tried = forms->is_file_refused = false;
}

void device_input_forms_finish(struct device_input_forms *forms)
{
    forget_input(forms);
}

void device_input_forms_set(struct device_input_forms *forms,
                            const struct device_query_input *input)
{
    const struct vision_file *file = &forms->input.file;
    if (forms->input.floats == input->floats && file->bytes == input->file.bytes &&
        file->format == input->file.format && file->orientation == input->file.orientation &&
        file->fit == input->file.fit) {
        return;
    }
    forget_input(forms);
    /* Kept, the input cannot be another one at the same address. */
    forms->input = *input;
    ll_buf_ref(input->floats);
    if (input->file.bytes) {
        ll_buf_ref(input->file.bytes);
    }
}

struct ll_buf *device_input_forms_bytes(struct device_input_forms *forms)
{
    if (forms->are_bytes_tried) {
        return forms->bytes;
    }
    struct ll_buf *bytes = NULL;
    size_t count = ll_buf_bytes(forms->input.floats) / sizeof(float);
    forms->are_bytes_tried = true;
    if (ll_buf_create(count, &bytes) == LL_OK &&
        ll_dtype_encode(LL_U8, ll_buf_data(forms->input.floats), (int64_t)count,
                        ll_buf_writable(bytes))) {
        forms->bytes = ll_buf_ref(bytes);
    }
    ll_buf_unref(bytes);
    return forms->bytes;
}

/* ---- Files ---- */

static Layerlift__V1__PictureFormat wire_format(const struct vision_file *file)
{
    return file->format == VISION_JPEG  ? LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG
           : file->format == VISION_PNG ? LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG
                                        : LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_BMP;
}

static Layerlift__V1__Preprocess__Fit wire_fit(vision_fit fit)
{
    return fit == VISION_FIT_CROP      ? LAYERLIFT__V1__PREPROCESS__FIT__FIT_CROP
           : fit == VISION_FIT_STRETCH ? LAYERLIFT__V1__PREPROCESS__FIT__FIT_STRETCH
                                       : LAYERLIFT__V1__PREPROCESS__FIT__FIT_LETTERBOX;
}

static unsigned format_bit(const struct vision_file *file)
{
    return 1U << (unsigned)wire_format(file);
}

static bool takes_file(const struct device_input_forms *forms, const struct device_edge_view *edge)
{
    const struct vision_file *file = &forms->input.file;
    bool is_refused = forms->is_file_refused || (forms->refused & format_bit(file)) != 0;
    return file->bytes && (edge->picture_formats & format_bit(file)) != 0 && !is_refused;
}

/* What an edge takes, and how long it takes for that, says nothing of the next one. */
static void follow_edge(struct device_input_forms *forms, uint64_t connection)
{
    if (forms->connection == connection) {
        return;
    }
    forms->connection = connection;
    forms->refused = 0;
    forms->is_file_refused = false;
    for (int i = 0; i < DEVICE_FORMS; i++) {
        forms->costs[i].there_ns = first_costs[i].there_ns;
    }
}

void device_input_forms_refuse(struct device_input_forms *forms, uint64_t connection)
{
    follow_edge(forms, connection);
    forms->refused |= format_bit(&forms->input.file);
}

void device_input_forms_refuse_file(struct device_input_forms *forms, uint64_t connection)
{
    follow_edge(forms, connection);
    forms->is_file_refused = true;
}

/* ---- Offers ---- */

/* What coding begins with: bytes, or floats. */
static int64_t plain_bytes(const struct device_input_forms *forms)
{
    return forms->table->in_floats * (forms->bytes ? 1 : (int64_t)sizeof(float));
}

static bool may_be_webp(const struct device_input_forms *forms)
{
    const struct ll_table *table = forms->table;
    return forms->bytes && vision_webp_fits(table->in_c, table->in_h, table->in_w);
}

static void add(struct device_form_offers *offers, device_form form, int64_t bytes,
                double coding_ns)
{
    offers->forms[offers->count] = form;
    offers->offers[offers->count++] =
        (struct device_offer){.bytes = bytes, .coding_ns = (int64_t)coding_ns};
}

/* A form that has to be coded, or was. */
static void add_coded(const struct device_input_forms *forms, struct device_form_offers *offers,
                      device_form form, const struct ll_buf *made)
{
    const struct device_form_cost *cost = &forms->costs[form];
    double plain = (double)plain_bytes(forms);
    int64_t bytes = made ? (int64_t)ll_buf_bytes(made) : (int64_t)(plain * cost->ratio);
    add(offers, form, bytes, (made ? 0 : plain * cost->here_ns) + plain * cost->there_ns);
}

static bool is_wished(device_input_want want, device_form form)
{
    static const device_input_want wants[DEVICE_FORMS] = {
        [DEVICE_FORM_PLAIN] = DEVICE_WANT_F32,     [DEVICE_FORM_BYTES] = DEVICE_WANT_U8,
        [DEVICE_FORM_FILE] = DEVICE_WANT_FILE,     [DEVICE_FORM_WEBP] = DEVICE_WANT_WEBP,
        [DEVICE_FORM_PLANES] = DEVICE_WANT_PLANES,
    };
    return want == DEVICE_WANT_ANY || want == wants[form];
}

static void offer(const struct device_input_forms *forms, const struct device_wish *wish,
                  device_input_want want, const struct device_edge_view *edge,
                  struct device_form_offers *offers)
{
    int64_t floats = forms->table->in_floats;
    bool has_bytes = forms->bytes && edge->takes_u8;
    if (has_bytes && is_wished(want, DEVICE_FORM_BYTES)) {
        add(offers, DEVICE_FORM_BYTES, floats, 0);
    } else if (is_wished(want, DEVICE_FORM_PLAIN)) {
        bool is_half = wish->cut_dtype == LL_F16 && edge->takes_f16 && want != DEVICE_WANT_F32;
        add(offers, DEVICE_FORM_PLAIN, floats * (is_half ? 2 : (int64_t)sizeof(float)), 0);
    }
    if (takes_file(forms, edge) && is_wished(want, DEVICE_FORM_FILE)) {
        /* Until the edge has told how long it takes there, as long as here. */
        double there_ns = forms->costs[DEVICE_FORM_FILE].there_ns;
        add(offers, DEVICE_FORM_FILE, (int64_t)ll_buf_bytes(forms->input.file.bytes),
            there_ns > 0 ? there_ns : (double)forms->input.made_ns);
    }
    if (may_be_webp(forms) && edge->takes_webp && is_wished(want, DEVICE_FORM_WEBP)) {
        add_coded(forms, offers, DEVICE_FORM_WEBP, forms->webp);
    }
    if (edge->takes_planes && is_wished(want, DEVICE_FORM_PLANES)) {
        add_coded(forms, offers, DEVICE_FORM_PLANES, forms->planes);
    }
}

void device_input_forms_offer(struct device_input_forms *forms, const struct device_wish *wish,
                              const struct device_edge_view *edge,
                              struct device_form_offers *out_offers)
{
    *out_offers = (struct device_form_offers){0};
    follow_edge(forms, edge->connection);
    if (edge->takes_u8) {
        (void)device_input_forms_bytes(forms);
    }
    offer(forms, wish, wish->input, edge, out_offers);
    if (out_offers->count == 0) {
        offer(forms, wish, DEVICE_WANT_ANY, edge, out_offers);
    }
}

/* ---- Making ---- */

static ll_status make_file(struct device_input_forms *forms, struct ll_buf **out_buf,
                           struct wire_form *out_form)
{
    const struct device_query_input *input = &forms->input;
    if (!forms->has_digest) {
        ll_status status =
            ll_digest_of(ll_buf_data(input->floats), ll_buf_bytes(input->floats), &forms->digest);
        if (status != LL_OK) {
            return status;
        }
        forms->has_digest = true;
    }
    *out_form = (struct wire_form){
        .is_picture = true,
        .channels = 1,
        .bytes = (int64_t)ll_buf_bytes(forms->input.file.bytes),
        .picture = {.format = wire_format(&input->file),
                    .fit = wire_fit(input->file.fit),
                    .orientation = input->file.orientation,
                    .input = forms->digest},
    };
    *out_buf = ll_buf_ref(input->file.bytes);
    return LL_OK;
}

static struct wire_form plain_form(const struct device_input_forms *forms, ll_dtype dtype)
{
    return wire_form_plain(dtype, forms->table->in_c, forms->table->in_floats);
}

static void note_coded(struct device_input_forms *forms, device_form form, int64_t coded_bytes,
                       int64_t took_ns)
{
    struct device_form_cost *cost = &forms->costs[form];
    double plain = (double)plain_bytes(forms);
    cost->ratio += FORMS_NEW * ((double)coded_bytes / plain - cost->ratio);
    cost->here_ns += FORMS_NEW * ((double)took_ns / plain - cost->here_ns);
}

static ll_status make_webp(struct device_input_forms *forms, struct ll_buf **out_buf,
                           struct wire_form *out_form)
{
    struct wire_form form = plain_form(forms, LL_U8);
    if (!forms->webp) {
        struct ll_error unused = {.text = ""};
        int64_t from_ns = ll_clock_thread_cpu_ns();
        ll_status status = vision_webp_encode(ll_buf_data(forms->bytes), forms->table->in_h,
                                              forms->table->in_w, &forms->webp, &unused);
        if (status != LL_OK) {
            return status;
        }
        note_coded(forms, DEVICE_FORM_WEBP, (int64_t)ll_buf_bytes(forms->webp),
                   ll_clock_thread_cpu_ns() - from_ns);
    }
    struct ll_buf *buf = forms->bytes;
    if ((int64_t)ll_buf_bytes(forms->webp) < form.bytes) {
        buf = forms->webp;
        form.bytes = (int64_t)ll_buf_bytes(buf);
        form.coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP;
    }
    *out_form = form;
    *out_buf = ll_buf_ref(buf);
    return LL_OK;
}

static ll_status make_planes(struct device_input_forms *forms, struct ll_planes *planes,
                             struct ll_buf **out_buf, struct wire_form *out_form)
{
    if (!forms->planes) {
        struct wire_form form = plain_form(forms, forms->bytes ? LL_U8 : LL_F32);
        struct ll_buf *buf = ll_buf_ref(forms->bytes ? forms->bytes : forms->input.floats);
        int64_t from_ns = ll_clock_thread_cpu_ns();
        ll_status status = wire_form_code(planes, &buf, &form);
        if (status != LL_OK) {
            ll_buf_unref(buf);
            return status;
        }
        note_coded(forms, DEVICE_FORM_PLANES, form.bytes, ll_clock_thread_cpu_ns() - from_ns);
        forms->planes = buf;
        forms->planes_form = form;
    }
    *out_form = forms->planes_form;
    *out_buf = ll_buf_ref(forms->planes);
    return LL_OK;
}

ll_status device_input_forms_make(struct device_input_forms *forms, device_form form,
                                  ll_dtype dtype, struct ll_planes *planes, struct ll_buf **out_buf,
                                  struct wire_form *out_form)
{
    switch (form) {
    case DEVICE_FORM_BYTES:
        *out_form = plain_form(forms, LL_U8);
        *out_buf = ll_buf_ref(forms->bytes);
        return LL_OK;
    case DEVICE_FORM_FILE:
        return make_file(forms, out_buf, out_form);
    case DEVICE_FORM_WEBP:
        return make_webp(forms, out_buf, out_form);
    case DEVICE_FORM_PLANES:
        return make_planes(forms, planes, out_buf, out_form);
    default:
        return wire_form_encode(forms->input.floats, forms->table->in_c, dtype, NULL, out_buf,
                                out_form);
    }
}

/* What was not sent. */
static void fade(struct device_input_forms *forms, device_form sent)
{
    for (int i = 0; i < DEVICE_FORMS; i++) {
        double first_ns =
            i == DEVICE_FORM_FILE ? (double)forms->input.made_ns : first_costs[i].there_ns;
        double *there_ns = &forms->costs[i].there_ns;
        if (i != (int)sent && *there_ns > first_ns * FORMS_LEAST_PART) {
            *there_ns -= *there_ns * FORMS_FADING;
        }
    }
}

void device_input_forms_learn(struct device_input_forms *forms, device_form form, int64_t coding_ns)
{
    struct device_form_cost *cost = &forms->costs[form];
    double told_ns = fmin((double)coding_ns, FORMS_MOST_NS);
    fade(forms, form);
    if (form == DEVICE_FORM_FILE) {
        double known_ns = cost->there_ns > 0 ? cost->there_ns : (double)forms->input.made_ns;
        cost->there_ns = known_ns + FORMS_NEW * (told_ns - known_ns);
    } else if (form == DEVICE_FORM_WEBP || form == DEVICE_FORM_PLANES) {
        cost->there_ns += FORMS_NEW * (told_ns / (double)plain_bytes(forms) - cost->there_ns);
    }
}

const char *device_input_form_name(const struct wire_form *form)
{
    if (form->is_picture) {
        return form->picture.format == LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG  ? "jpeg"
               : form->picture.format == LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG ? "png"
                                                                                           : "bmp";
    }
    switch (form->coding) {
    case LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP:
        return "webp";
    case LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES:
        return "planes";
    default:
        return form->dtype == LL_U8           ? "u8"
               : form->dtype == LL_F16        ? "f16"
               : form->dtype == LL_U8_CHANNEL ? "u8_channel"
                                              : "f32";
    }
}
