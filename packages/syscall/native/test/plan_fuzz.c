/* libFuzzer over the decoder: whatever the bytes, every field is read through every reader without leaving the plan. */
#include "../init/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  struct cursor plan;
  struct operation operation;
  uint32_t flags;
  if (plan_open(&plan, bytes, length, &flags) < 0) return 0;
  while (plan_next(&plan, &operation) > 0) {
    for (unsigned reader = 0; !operation.fields.failed && operation.fields.at < operation.fields.end; reader++) {
      uint32_t size = 0;
      switch ((reader + operation.code) % 6) {
        case 0: read_u32(&operation.fields); break;
        case 1: read_u64(&operation.fields); break;
        case 2: if (text_length(read_text(&operation.fields)) > length) __builtin_trap(); break;
        case 3: read_optional_text(&operation.fields); break;
        case 4: if (read_count(&operation.fields, 4) > length) __builtin_trap(); break;
        default: read_bytes(&operation.fields, &size); if (size > length) __builtin_trap();
      }
    }
  }
  return 0;
}
