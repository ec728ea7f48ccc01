#include "darknet_backend/network/dkb_cfg.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_sniff.h"

/* The net section and a section for each layer. */
enum { MAX_SECTIONS = LL_LIMIT_LAYERS + 1 };
/* UTF-8's byte order mark. */
enum { BOM_BYTES = 3 };

struct lexer {
    struct dkb_cfg *cfg;
    size_t section_room;
    size_t option_count;
    size_t option_room;
    /* Where the next line's text goes; never ahead of what has been read. */
    char *next_text;
    int line;
    struct ll_error *err;
};

/* Room for one more item; `*room` items are there already. */
static ll_status grow(void **items, size_t *room, size_t count, size_t item_bytes)
{
    if (count < *room) {
        return LL_OK;
    }
    size_t wanted = *room ? *room * 2 : 64;
    void *more = reallocarray(*items, wanted, item_bytes);
    if (!more) {
        return LL_E_NO_MEMORY;
    }
    *items = more;
    *room = wanted;
    return LL_OK;
}

static ll_status add_section(struct lexer *lexer, const char *name)
{
    struct dkb_cfg *cfg = lexer->cfg;
    if (cfg->section_count == MAX_SECTIONS) {
        return ll_fail_limit(lexer->err, "layers", LL_LIMIT_LAYERS, 0,
                             "line %d: more than %d layers", lexer->line, LL_LIMIT_LAYERS);
    }
    void *sections = cfg->sections;
    ll_status status =
        grow(&sections, &lexer->section_room, cfg->section_count, sizeof(*cfg->sections));
    cfg->sections = sections;
    if (status != LL_OK) {
        return ll_fail(lexer->err, status, "out of memory");
    }
    cfg->sections[cfg->section_count++] =
        (struct dkb_cfg_section){.name = name, .line = lexer->line};
    return LL_OK;
}

static ll_status add_option(struct lexer *lexer, char *text, size_t length)
{
    struct dkb_cfg *cfg = lexer->cfg;
    if (cfg->section_count == 0) {
        return ll_fail(lexer->err, LL_E_INVALID,
                       "line %d: an option before any section; a cfg begins with [net]",
                       lexer->line);
    }
    char *equals = memchr(text, '=', length);
    struct dkb_cfg_section *section = &cfg->sections[cfg->section_count - 1];
    if (section->option_count == LL_LIMIT_SECTION_OPTIONS) {
        return ll_fail_limit(lexer->err, "section_options", LL_LIMIT_SECTION_OPTIONS, 0,
                             "line %d: more than %d options in the section of line %d", lexer->line,
                             LL_LIMIT_SECTION_OPTIONS, section->line);
    }
    void *options = cfg->options;
    ll_status status =
        grow(&options, &lexer->option_room, lexer->option_count, sizeof(*cfg->options));
    cfg->options = options;
    if (status != LL_OK) {
        return ll_fail(lexer->err, status, "out of memory");
    }
    if (equals) {
        *equals = '\0';
    }
    cfg->options[lexer->option_count++] = (struct dkb_cfg_option){
        .key = text, .value = equals ? equals + 1 : NULL, .line = lexer->line};
    section->option_count++;
    return LL_OK;
}

/* Takes one line without its line end. */
static ll_status add_line(struct lexer *lexer, const char *line, size_t length)
{
    if (length > LL_LIMIT_CFG_LINE_BYTES) {
        return ll_fail_limit(lexer->err, "cfg_line_bytes", LL_LIMIT_CFG_LINE_BYTES, 0,
                             "line %d: longer than %u bytes", lexer->line, LL_LIMIT_CFG_LINE_BYTES);
    }
    if (length > 0 && memchr(line, '\0', length)) {
        return ll_fail(lexer->err, LL_E_INVALID, "line %d: a NUL byte; a cfg is text", lexer->line);
    }
    while (length > 0 && line[length - 1] == '\r') {
        length--;
    }
    if (length > 0 && memchr(line, '\r', length)) {
        return ll_fail(lexer->err, LL_E_INVALID,
                       "line %d: a carriage return (CR) inside the line; lines end in LF, CRLF or, "
                       "in all of the file, CR",
                       lexer->line);
    }
    char *text = lexer->next_text;
    size_t kept = 0;
    for (size_t i = 0; i < length; i++) {
        if (line[i] != ' ' && line[i] != '\t') {
            text[kept++] = line[i];
        }
    }
    text[kept] = '\0';
    if (kept == 0 || text[0] == '#' || text[0] == ';') {
        return LL_OK;
    }
    lexer->next_text = text + kept + 1;
    return text[0] == '[' ? add_section(lexer, text) : add_option(lexer, text, kept);
}

static ll_status add_all_lines(struct lexer *lexer, const char *text, size_t bytes)
{
    bool has_lf = bytes > 0 && memchr(text, '\n', bytes);
    size_t at = bytes >= BOM_BYTES && memcmp(text, "\xef\xbb\xbf", BOM_BYTES) == 0 ? BOM_BYTES : 0;
    while (at < bytes) {
        const char *end = memchr(text + at, has_lf ? '\n' : '\r', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at;
        lexer->line++;
        ll_status status = add_line(lexer, text + at, length);
        if (status != LL_OK) {
            return status;
        }
        at += length + 1;
    }
    if (lexer->cfg->section_count == 0) {
        return ll_fail(lexer->err, LL_E_INVALID, "no sections; a cfg begins with [net]");
    }
    return LL_OK;
}

ll_status dkb_cfg_init(struct dkb_cfg *cfg, const char *text, size_t bytes, struct ll_error *err)
{
    *cfg = (struct dkb_cfg){0};
    if (bytes > LL_LIMIT_CFG_BYTES) {
        return ll_fail_limit(err, "cfg_bytes", LL_LIMIT_CFG_BYTES, 0,
                             "a cfg of %zu bytes, the limit is %u", bytes, LL_LIMIT_CFG_BYTES);
    }
    const char *kind = dkb_sniff(text, bytes);
    if (kind) {
        return ll_fail(err, LL_E_INVALID, "not a cfg but %s", kind);
    }
    /* A line's text and its NUL take no more than the line and its line end; the last line may
     * have none. */
    cfg->text = malloc(bytes + 1);
    if (!cfg->text) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    struct lexer lexer = {.cfg = cfg, .next_text = cfg->text, .err = err};
    ll_status status = add_all_lines(&lexer, text, bytes);
    if (status != LL_OK) {
        dkb_cfg_finish(cfg);
        return status;
    }
    const struct dkb_cfg_option *next = cfg->options;
    for (size_t i = 0; i < cfg->section_count; i++) {
        cfg->sections[i].options = next;
        next += cfg->sections[i].option_count;
    }
    return LL_OK;
}

void dkb_cfg_finish(struct dkb_cfg *cfg)
{
    free(cfg->sections);
    free(cfg->options);
    free(cfg->text);
    *cfg = (struct dkb_cfg){0};
}

const struct dkb_cfg_option *dkb_cfg_find(const struct dkb_cfg_section *section, const char *key)
{
    for (size_t i = 0; i < section->option_count; i++) {
        if (strcmp(section->options[i].key, key) == 0) {
            return &section->options[i];
        }
    }
    return NULL;
}
