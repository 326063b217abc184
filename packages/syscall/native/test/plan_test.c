/* The decoder of plans, under ASan and UBSan: what is right is read as it is, what is wrong is an error and never a read
 * outside of the plan. Built with -DRUNLET_HOSTED, against the C library. */
#include <stdlib.h>
#include <string.h>

#include "../init/plan.h"
#include "expect.h"

/* A plan under construction, in memory of exactly its size, so that ASan sees every byte beyond. */
struct builder {
  uint8_t bytes[4096];
  size_t length;
};

static void put_u32(struct builder *builder, uint32_t value) {
  memcpy(builder->bytes + builder->length, &value, sizeof value);
  builder->length += sizeof value;
}

static void put_text(struct builder *builder, const char *text, uint32_t length) {
  put_u32(builder, length);
  memcpy(builder->bytes + builder->length, text, length + 1);
  builder->length += length + 1;
}

static struct builder head(void) {
  struct builder builder = {.length = 0};
  put_u32(&builder, PLAN_MAGIC);
  put_u32(&builder, PLAN_VERSION);
  put_u32(&builder, 0);
  put_u32(&builder, PLAN_NOT_DUMPABLE);
  return builder;
}

static uint8_t *finish(struct builder *builder) {
  uint32_t length = (uint32_t)builder->length;
  memcpy(builder->bytes + 8, &length, sizeof length);
  uint8_t *exact = malloc(length);
  memcpy(exact, builder->bytes, length);
  return exact;
}

static void test_reads_what_is_there(void) {
  struct builder builder = head();
  put_u32(&builder, OP_SET_HOSTNAME);
  put_u32(&builder, 7);
  put_u32(&builder, 4 + 4);
  put_text(&builder, "box", 3);
  uint8_t *bytes = finish(&builder);
  struct cursor plan;
  struct operation operation;
  uint32_t flags = 0;
  EXPECT(plan_open(&plan, bytes, builder.length, &flags) == 0);
  EXPECT(flags == PLAN_NOT_DUMPABLE);
  EXPECT(plan_next(&plan, &operation) == 1);
  EXPECT(operation.code == OP_SET_HOSTNAME && operation.index == 7);
  EXPECT(strcmp(read_text(&operation.fields), "box") == 0);
  EXPECT(fields_ended(&operation.fields));
  EXPECT(plan_next(&plan, &operation) == 0);
  free(bytes);
}

static void test_refuses_other_heads(void) {
  for (size_t at = 0; at < 12; at += 4) {
    struct builder builder = head();
    uint8_t *bytes = finish(&builder);
    bytes[at] ^= 1;
    struct cursor plan;
    uint32_t flags;
    EXPECT(plan_open(&plan, bytes, builder.length, &flags) == -EPROTO);
    free(bytes);
  }
}

/* Every beginning of a plan is refused, or ends before anything is missing. */
static void test_refuses_every_truncation(void) {
  struct builder builder = head();
  put_u32(&builder, OP_EXEC);
  put_u32(&builder, 0);
  put_u32(&builder, 4 + 4 + (4 + 3) + 4);
  put_u32(&builder, 0);
  put_u32(&builder, 1);
  put_text(&builder, "sh", 2);
  put_u32(&builder, 0);
  for (size_t length = 0; length < builder.length; length++) {
    struct builder shorter = builder;
    shorter.length = length < 16 ? 16 : length;
    uint8_t *bytes = finish(&shorter);
    struct cursor plan;
    struct operation operation;
    uint32_t flags;
    if (plan_open(&plan, bytes, length, &flags) == 0 && length > 16) EXPECT(plan_next(&plan, &operation) == -EPROTO);
    else EXPECT(length <= 16);
    free(bytes);
  }
}

static void test_texts(void) {
  struct {
    const char *bytes;
    uint32_t length;
    size_t room;
    bool is_right;
  } cases[] = {
      {"ab\0", 2, 3, true},          {"a\0b\0", 3, 4, false} /* NUL inside */, {"abc", 2, 3, false} /* no NUL behind */,
      {"ab\0", 200, 3, false},       {"ab\0", UINT32_MAX, 3, false},            {"ab\0", UINT32_MAX - 1, 3, false},
      {"\0", 0, 1, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t *bytes = malloc(4 + cases[i].room);
    memcpy(bytes, &cases[i].length, 4);
    memcpy(bytes + 4, cases[i].bytes, cases[i].room);
    struct cursor cursor = {.at = bytes, .end = bytes + 4 + cases[i].room};
    const char *text = read_text(&cursor);
    EXPECT(!cursor.failed == cases[i].is_right);
    EXPECT(cases[i].is_right || text[0] == '\0');
    free(bytes);
  }
}

static void test_optional_text(void) {
  uint8_t none[4] = {0xff, 0xff, 0xff, 0xff};
  struct cursor cursor = {.at = none, .end = none + 4};
  EXPECT(read_optional_text(&cursor) == NULL && !cursor.failed);
}

static void test_counts_are_bounded_by_what_is_there(void) {
  uint8_t bytes[4 + 8] = {3};
  struct cursor three = {.at = bytes, .end = bytes + sizeof bytes};
  EXPECT(read_count(&three, 4) == 0 && three.failed);
  bytes[0] = 2;
  struct cursor two = {.at = bytes, .end = bytes + sizeof bytes};
  EXPECT(read_count(&two, 4) == 2 && !two.failed);
}

static void test_first_error_stays(void) {
  uint8_t bytes[12] = {0};
  struct cursor cursor = {.at = bytes, .end = bytes + 6};
  EXPECT(read_u64(&cursor) == 0 && cursor.failed);
  EXPECT(read_u32(&cursor) == 0 && cursor.failed);
  EXPECT(!fields_ended(&cursor));
}

static void test_appending_cuts(void) {
  char buffer[8] = "";
  text_append(buffer, sizeof buffer, "abcd");
  text_append_number(buffer, sizeof buffer, -12345);
  EXPECT(strcmp(buffer, "abcd-12") == 0);
  char number[24] = "";
  text_append_number(number, sizeof number, INT64_MIN);
  EXPECT(strcmp(number, "-9223372036854775808") == 0);
}

int main(void) {
  test_reads_what_is_there();
  test_refuses_other_heads();
  test_refuses_every_truncation();
  test_texts();
  test_optional_text();
  test_counts_are_bounded_by_what_is_there();
  test_first_error_stays();
  test_appending_cuts();
  return report_expectations();
}
