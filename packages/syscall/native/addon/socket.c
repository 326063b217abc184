#include "addon.h"

const struct export_entry socket_exports[] = {{0}};
