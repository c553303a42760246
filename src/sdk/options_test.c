/* options_test.c - which of code, variables and default an option takes. */
#include "sdk/options.h"
#include "sdk/test_host.h"

typedef struct variable {
    const char *name, *value;
} variable;

static const variable *environment; /* ends with a name of NULL */
static const char *find_variable(void *user, const char *name)
{
    (void)user;
    for (const variable *v = environment; v->name; v++)
        if (!strcmp(v->name, name))
            return v->value;
    return NULL;
}

/* What was resolved; warnings are in `world`. */
static kis_sdk_options resolve(test_world *world, const kis_sdk_options *given,
                               const variable *variables)
{
    kis_sdk_options out;
    kis_diag diag = { .text = "" };
    test_world_init(world);
    world->host.getenv = find_variable;
    environment = variables;
    CHECK_ERR(KIS_OK, kis_sdk_options_resolve(given, &world->host, &out, &diag), diag.text);
    return out;
}

TEST(a_wrong_variable_does_not_hide_the_next_one)
{
    static const struct {
        const char *why;
        variable variables[3];
        uint32_t want;
        const char *warns; /* NULL: nobody */
    } rows[] = {
        { "none", { { NULL, NULL } }, 128, NULL },
        { "the general one", { { "OTEL_ATTRIBUTE_COUNT_LIMIT", "10" } }, 10, NULL },
        { "the specific one is stronger",
          { { "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "5" }, { "OTEL_ATTRIBUTE_COUNT_LIMIT", "10" } },
          5,
          NULL },
        { "empty is not set",
          { { "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", " " }, { "OTEL_ATTRIBUTE_COUNT_LIMIT", "10" } },
          10,
          NULL },
        { "no number",
          { { "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "ten" }, { "OTEL_ATTRIBUTE_COUNT_LIMIT", "10" } },
          10,
          "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" },
        { "out of range",
          { { "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1" }, { "OTEL_ATTRIBUTE_COUNT_LIMIT", "10" } },
          10,
          "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" },
        { "both wrong",
          { { "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x" }, { "OTEL_ATTRIBUTE_COUNT_LIMIT", "y" } },
          128,
          "OTEL_ATTRIBUTE_COUNT_LIMIT: 'y'" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_world world;
        kis_sdk_options got = resolve(&world, NULL, rows[i].variables);
        CHECK_INT(rows[i].want, got.attr_count, rows[i].why);
        CHECK(rows[i].warns ? strstr(world.log, rows[i].warns) != NULL : !world.log[0],
              rows[i].why);
    }
}

TEST(a_wrong_word_does_not_hide_the_next_variable)
{
    static const variable both[] = { { "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "smoke" },
                                     { "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc" },
                                     { "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "rar" },
                                     { "OTEL_TRACES_EXPORTER", "otlp,fax" },
                                     { "OTEL_TRACES_SAMPLER", "sometimes" },
                                     { NULL, NULL } };
    const kis_sdk_options code = { .otlp_protocol = KIS_STR("http/json") };
    test_world world;
    kis_sdk_options got = resolve(&world, NULL, both);
    CHECK_STR("grpc", got.otlp_protocol, "the general one");
    CHECK_STR("none", got.otlp_compression, "the default");
    CHECK_STR("otlp", got.exporter, "one wrong name spoils the list");
    CHECK(strstr(world.log, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'smoke' is not one of grpc|"),
          world.log);
    CHECK_STR("parentbased_always_on", got.sampler_name, "the default");
    CHECK(strstr(world.log, "OTEL_TRACES_SAMPLER: 'sometimes' is not one of always_on|always_off|"),
          world.log);
    got = resolve(&world, &code, both);
    CHECK_STR("http/json", got.otlp_protocol, "the code is stronger");
    CHECK(!strstr(world.log, "smoke"), "and then nobody looks");
}

TEST(a_wrong_flag_is_false_and_hides_the_next_one)
{
    static const variable both[] = { { "OTEL_EXPORTER_OTLP_TRACES_INSECURE", "1" },
                                     { "OTEL_EXPORTER_OTLP_INSECURE", "true" },
                                     { NULL, NULL } };
    test_world world;
    CHECK(!resolve(&world, NULL, both).otlp_insecure, "what is not true is false");
    CHECK(strstr(world.log, "OTEL_EXPORTER_OTLP_TRACES_INSECURE"), world.log);
}

TEST(zero_is_a_value_where_the_specification_has_it_so)
{
    static const variable zeros[] = { { "OTEL_BSP_EXPORT_TIMEOUT", "0" },
                                      { "OTEL_EXPORTER_OTLP_TIMEOUT", "0" },
                                      { "OTEL_BSP_SCHEDULE_DELAY", "0" },
                                      { NULL, NULL } };
    const kis_sdk_options code = { .otlp_timeout_ms = UINT32_MAX, .export_timeout_ms = 7 };
    test_world world;
    kis_sdk_options got = resolve(&world, NULL, zeros);
    CHECK_STR("", kis_str_from_c(world.log), "no warning");
    CHECK_INT(KIS_SDK_NO_LIMIT, got.export_timeout_ms, "a batch");
    CHECK_INT(KIS_SDK_NO_LIMIT, got.otlp_timeout_ms, "an attempt");
    CHECK_INT(1, got.delay_ms, "as soon as can be, and no worker that runs round and round");
    got = resolve(&world, &code, zeros);
    CHECK_INT(KIS_SDK_NO_LIMIT, got.otlp_timeout_ms, "the code can say it too");
    CHECK_INT(7, got.export_timeout_ms, "the code is stronger");
    got = resolve(&world, NULL, &zeros[3]);
    CHECK_INT(30000, got.export_timeout_ms, "not set is the default");
}

TEST_MAIN(RUN(a_wrong_variable_does_not_hide_the_next_one),
          RUN(a_wrong_word_does_not_hide_the_next_variable),
          RUN(a_wrong_flag_is_false_and_hides_the_next_one),
          RUN(zero_is_a_value_where_the_specification_has_it_so))
