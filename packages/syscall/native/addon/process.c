#include "addon.h"

const struct export_entry process_exports[] = {{0}};
