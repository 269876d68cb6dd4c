/* A configuration file is a mapping of sections to mappings of keys to plain values: two levels, so
 * two functions walk it. libyaml's document keeps a mark (line and column) with every node. */
#include "config/yaml.h"

#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "config/keys.h"

enum { MOST_NAMES = 64 };

typedef struct Reader {
    yaml_document_t document;
    const char *path;
    Config *config;
    Error *error;
    const char *section; /* being read; NULL at the top */
} Reader;

static int yaml_fail(Reader *reader, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int yaml_fail(Reader *reader, yaml_mark_t mark, const char *format, ...)
{
    char message[sizeof reader->error->message / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(reader->error, ERROR_CONFIG, "%s:%zu:%zu: %s", reader->path, mark.line + 1,
                     mark.column + 1, message);
}

static const char *node_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

/* A value that is not there: `key:`, `key: ~` or `key: null`. */
static bool node_is_none(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (node_text(node)[0] == '\0' || strcmp(node_text(node), "~") == 0 ||
            strcmp(node_text(node), "null") == 0);
}

static const char *node_kind(const yaml_node_t *node)
{
    return node->type == YAML_MAPPING_NODE ? "keys of its own" : "a list";
}

/* --- names that do not exist */

/* Collects the distinct sections, or the names within one. */
static size_t names_collect(const char *section, const char **names)
{
    size_t count = 0;

    for (size_t i = 0; i < config_key_count && count < MOST_NAMES; i++) {
        const ConfigKey *key = &config_keys[i];
        if (section != NULL && strcmp(key->section, section) == 0)
            names[count++] = key->name;
        else if (section == NULL && (count == 0 || strcmp(names[count - 1], key->section) != 0))
            names[count++] = key->section;
    }
    return count;
}

static int yaml_fail_unknown(Reader *reader, const yaml_node_t *node)
{
    const char *names[MOST_NAMES];
    size_t count = names_collect(reader->section, names);
    const char *nearest = text_nearest(node_text(node), names, count);
    Text list = {0};

    for (size_t i = 0; nearest == NULL && i < count; i++)
        text_add_format(&list, "%s%s", i > 0 ? ", " : "; known are ", names[i]);
    yaml_fail(reader, node->start_mark, "unknown key '%s%s%s'%s%s%s",
              reader->section != NULL ? reader->section : "", reader->section != NULL ? "." : "",
              node_text(node), nearest != NULL ? "; did you mean '" : list.data,
              nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
    text_free(&list);
    return -1;
}

/* --- the walk */

static int yaml_check_name(Reader *reader, const yaml_node_pair_t *first,
                           const yaml_node_pair_t *pair)
{
    const yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);

    if (name->type != YAML_SCALAR_NODE)
        return yaml_fail(reader, name->start_mark, "a key must be a plain name, not %s",
                         node_kind(name));
    for (; first < pair; first++) {
        const yaml_node_t *other = yaml_document_get_node(&reader->document, first->key);
        if (strcmp(node_text(other), node_text(name)) == 0)
            return yaml_fail(
                reader, name->start_mark, "duplicate key '%s%s%s'; it is already set on line %zu",
                reader->section != NULL ? reader->section : "", reader->section != NULL ? "." : "",
                node_text(name), other->start_mark.line + 1);
    }
    return 0;
}

static int yaml_read_value(Reader *reader, const yaml_node_t *name, const yaml_node_t *value)
{
    const ConfigKey *key = keys_find(reader->section, strlen(reader->section), node_text(name));
    Error why = {0};

    if (key == NULL)
        return yaml_fail_unknown(reader, name);
    if (value->type != YAML_SCALAR_NODE)
        return yaml_fail(reader, value->start_mark, "'%s.%s' must be a single value, not %s",
                         key->section, key->name, node_kind(value));
    if (!keys_is_text(key) && value->data.scalar.style != YAML_PLAIN_SCALAR_STYLE &&
        (key->type == KEY_BOOL || key->type == KEY_INT))
        return yaml_fail(reader, value->start_mark, "'%s.%s' must be written without quotes",
                         key->section, key->name);
    if (keys_store(key, reader->config, node_is_none(value) ? NULL : node_text(value), &why) != 0)
        return yaml_fail(reader, value->start_mark, "'%s.%s' %s", key->section, key->name,
                         why.message);
    return 0;
}

static int yaml_read_section(Reader *reader, const yaml_node_t *name, const yaml_node_t *section)
{
    const char *names[MOST_NAMES];

    if (names_collect(node_text(name), names) == 0)
        return yaml_fail_unknown(reader, name);
    if (node_is_none(section))
        return 0;
    reader->section = node_text(name);
    if (section->type != YAML_MAPPING_NODE)
        return yaml_fail(reader, section->start_mark,
                         "'%s' must hold keys, such as '%s: ...' indented on a line below it",
                         node_text(name), names[0]);
    for (yaml_node_pair_t *pair = section->data.mapping.pairs.start;
         pair < section->data.mapping.pairs.top; pair++)
        if (yaml_check_name(reader, section->data.mapping.pairs.start, pair) != 0 ||
            yaml_read_value(reader, yaml_document_get_node(&reader->document, pair->key),
                            yaml_document_get_node(&reader->document, pair->value)) != 0)
            return -1;
    reader->section = NULL;
    return 0;
}

static int yaml_read_top(Reader *reader)
{
    const yaml_node_t *top = yaml_document_get_root_node(&reader->document);

    if (top == NULL || node_is_none(top)) /* an empty file, or comments alone */
        return 0;
    if (top->type != YAML_MAPPING_NODE)
        return yaml_fail(reader, top->start_mark,
                         "expected sections such as 'redis:' with keys below them");
    for (yaml_node_pair_t *pair = top->data.mapping.pairs.start; pair < top->data.mapping.pairs.top;
         pair++)
        if (yaml_check_name(reader, top->data.mapping.pairs.start, pair) != 0 ||
            yaml_read_section(reader, yaml_document_get_node(&reader->document, pair->key),
                              yaml_document_get_node(&reader->document, pair->value)) != 0)
            return -1;
    return 0;
}

/* --- the file */

static int yaml_fail_parser(Reader *reader, const yaml_parser_t *parser)
{
    bool early = parser->error == YAML_READER_ERROR || parser->error == YAML_MEMORY_ERROR;

    return yaml_fail(reader, early ? parser->mark : parser->problem_mark, "%s%s%s",
                     parser->context != NULL ? parser->context : "",
                     parser->context != NULL ? ": " : "",
                     parser->problem != NULL ? parser->problem : "cannot be read as YAML");
}

/* Whatever follows the first document would be silently ignored; so it is refused. */
static int yaml_check_end(Reader *reader, yaml_parser_t *parser)
{
    yaml_document_t second;
    yaml_mark_t mark;
    bool more;

    if (!yaml_parser_load(parser, &second))
        return yaml_fail_parser(reader, parser);
    more = yaml_document_get_root_node(&second) != NULL;
    mark = second.start_mark;
    yaml_document_delete(&second);
    return more ? yaml_fail(reader, mark, "a second document begins; one is expected") : 0;
}

int yaml_read(FILE *file, const char *path, Config *config, Error *error)
{
    Reader reader = {.path = path, .config = config, .error = error};
    yaml_parser_t parser;
    int result;

    if (!yaml_parser_initialize(&parser))
        return error_set(error, ERROR_SYSTEM, "no memory to read '%s'", path);
    yaml_parser_set_input_file(&parser, file);
    if (yaml_parser_load(&parser, &reader.document)) {
        result = yaml_read_top(&reader);
        if (result == 0 && yaml_document_get_root_node(&reader.document) != NULL)
            result = yaml_check_end(&reader, &parser);
        yaml_document_delete(&reader.document);
    } else {
        result = yaml_fail_parser(&reader, &parser);
    }
    yaml_parser_delete(&parser);
    return result;
}
