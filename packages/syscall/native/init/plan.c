#include "plan.h"

static const uint8_t *take(struct cursor *cursor, size_t length) {
  if (cursor->failed || (size_t)(cursor->end - cursor->at) < length) {
    cursor->failed = true;
    return NULL;
  }
  const uint8_t *bytes = cursor->at;
  cursor->at += length;
  return bytes;
}

uint32_t read_u32(struct cursor *cursor) {
  uint32_t value = 0;
  const uint8_t *bytes = take(cursor, sizeof value);
  if (bytes) memcpy(&value, bytes, sizeof value);
  return value;
}

uint64_t read_u64(struct cursor *cursor) {
  uint64_t value = 0;
  const uint8_t *bytes = take(cursor, sizeof value);
  if (bytes) memcpy(&value, bytes, sizeof value);
  return value;
}

static const char *text_of(struct cursor *cursor, uint32_t length) {
  const uint8_t *bytes = length == UINT32_MAX ? NULL : take(cursor, (size_t)length + 1);
  if (!bytes || bytes[length] != '\0' || text_length((const char *)bytes) != length) {
    cursor->failed = true;
    return "";
  }
  return (const char *)bytes;
}

const char *read_text(struct cursor *cursor) { return text_of(cursor, read_u32(cursor)); }

const char *read_optional_text(struct cursor *cursor) {
  uint32_t length = read_u32(cursor);
  if (cursor->failed || length == UINT32_MAX) return NULL;
  return text_of(cursor, length);
}

const uint8_t *read_bytes(struct cursor *cursor, uint32_t *length) {
  *length = read_u32(cursor);
  const uint8_t *bytes = take(cursor, *length);
  if (!bytes) *length = 0;
  return bytes;
}

uint32_t read_count(struct cursor *cursor, size_t item_bytes) {
  uint32_t count = read_u32(cursor);
  if (cursor->failed || count > (size_t)(cursor->end - cursor->at) / item_bytes) {
    cursor->failed = true;
    return 0;
  }
  return count;
}

bool fields_ended(const struct cursor *cursor) { return !cursor->failed && cursor->at == cursor->end; }

result plan_open(struct cursor *plan, const void *bytes, size_t length, uint32_t *flags) {
  *plan = (struct cursor){.at = bytes, .end = (const uint8_t *)bytes + length};
  bool known = read_u32(plan) == PLAN_MAGIC && read_u32(plan) == PLAN_VERSION && read_u32(plan) == length;
  *flags = read_u32(plan);
  return known && !plan->failed ? 0 : -EPROTO;
}

result plan_next(struct cursor *plan, struct operation *operation) {
  if (!plan->failed && plan->at == plan->end) return 0;
  operation->code = read_u32(plan);
  operation->index = read_u32(plan);
  uint32_t length = 0;
  const uint8_t *fields = read_bytes(plan, &length);
  if (plan->failed) return -EPROTO;
  operation->fields = (struct cursor){.at = fields, .end = fields + length};
  return 1;
}
