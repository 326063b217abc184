#include "argument.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static struct {
  int count;
  char **words;
} command_line;

JSValue wrong_type(JSContext *ctx) { return JS_ThrowTypeError(ctx, "wrong argument type"); }

/* The stack of an error that the program's own Error has made begins with its message. */
static _Noreturn void die_of(JSContext *ctx, JSValueConst error) {
  const char *message = JS_ToCString(ctx, error);
  const char *stack = JS_IsError(ctx, error) ? JS_ToCString(ctx, JS_GetPropertyStr(ctx, error, "stack")) : NULL;
  bool has_message = message && stack && strncmp(stack, message, strlen(message)) == 0;
  if (message && !has_message) dprintf(STDERR_FILENO, "%s\n", message);
  if (stack) dprintf(STDERR_FILENO, "%s\n", stack);
  _exit(1);
}

void die_of_exception(JSContext *ctx) { die_of(ctx, JS_GetException(ctx)); }

/* A rejection that has no handler when it comes may get one before the jobs of its turn are over. */
static struct rejection {
  struct rejection *next;
  JSValue promise, reason;
} *rejections;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL is_handled, void *data) {
  (void)data;
  if (!is_handled) {
    struct rejection *made = malloc(sizeof *made);
    if (!made) abort();
    *made = (struct rejection){
        .next = rejections, .promise = JS_DupValue(ctx, promise), .reason = JS_DupValue(ctx, reason)};
    rejections = made;
    return;
  }
  for (struct rejection **place = &rejections; *place; place = &(*place)->next) {
    struct rejection *found = *place;
    if (JS_VALUE_GET_PTR(found->promise) != JS_VALUE_GET_PTR(promise)) continue;
    *place = found->next;
    JS_FreeValue(ctx, found->promise);
    JS_FreeValue(ctx, found->reason);
    free(found);
    return;
  }
}

void check_rejections(JSContext *ctx) {
  if (rejections) die_of(ctx, rejections->reason);
}

/* invocation(): { argv, execPath } */
FUNCTION(invocation) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  JSValue result = JS_NewObject(ctx), words = JS_NewArray(ctx);
  for (int i = 0; i < command_line.count; i++)
    JS_DefinePropertyValueUint32(ctx, words, (uint32_t)i, JS_NewString(ctx, command_line.words[i]), JS_PROP_C_W_E);
  JS_DefinePropertyValueStr(ctx, result, "argv", words, JS_PROP_C_W_E);
  JS_DefinePropertyValueStr(ctx, result, "execPath", JS_NewStringLen(ctx, path, length < 0 ? 0 : (size_t)length),
                            JS_PROP_C_W_E);
  return result;
}

static void dispose_of_signals(void (*of_pipe)(int)) {
  /* A parent that ignores it would have the kernel throw our children's ends away. */
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, of_pipe);
  signal(SIGXFSZ, of_pipe);
}

/* executeInstead(hostPath): this process becomes that program, with the same arguments. -errno when it cannot. */
FUNCTION(execute_instead) {
  TEXT(path);
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  dispose_of_signals(SIG_DFL);
  execve(path.start, command_line.words, environ);
  int error = errno;
  dispose_of_signals(SIG_IGN);
  return JS_NewInt32(ctx, -error);
}

/* exit(status): at once. */
FUNCTION(exit_binding) {
  int32_t status = 0;
  if (JS_ToInt32(ctx, &status, arguments[0])) return wrong_type(ctx);
  _exit(status);
}

PURE_FUNCTION(addon_binding) {
  return addon_exports(ctx);
}

const struct binding main_bindings[] = {
    {"invocation", invocation, 0},
    {"executeInstead", execute_instead, 1},
    {"exit", exit_binding, 1},
    {"addon", addon_binding, 0},
    {0},
};

static const struct binding *const tables[] = {main_bindings, loop_bindings, file_bindings,
                                               text_bindings, host_bindings, spawn_bindings};
#define EACH_BINDING(entry)                                              \
  for (size_t table = 0; table < sizeof tables / sizeof *tables; table++) \
    for (const struct binding *entry = tables[table]; entry->name; entry++)

static int fill_system_module(JSContext *ctx, JSModuleDef *module) {
  EACH_BINDING(entry)
  if (JS_SetModuleExport(ctx, module, entry->name, JS_NewCFunction(ctx, entry->function, entry->name, entry->length)))
    return -1;
  return 0;
}

JSModuleDef *system_module(JSContext *ctx, const char *name) {
  JSModuleDef *module = JS_NewCModule(ctx, name, fill_system_module);
  if (module) EACH_BINDING(entry) JS_AddModuleExport(ctx, module, entry->name);
  return module;
}

/* All modules of the program lie in one directory. */
static char *normalize(JSContext *ctx, const char *base, const char *name, void *data) {
  (void)base, (void)data;
  return js_strdup(ctx, strncmp(name, "./", 2) == 0 ? name + 2 : name);
}

static bool has_modules;

static const char *name_of(const struct program_module *module) { return (const char *)&program + module->name; }

static JSValue read_module(JSContext *ctx, const char *name) {
  if (has_modules)
    for (const struct program_module *module = program.modules; module->name; module++)
      if (strcmp(name_of(module), name) == 0)
        return JS_ReadObject(ctx, (const uint8_t *)&program + module->start, module->end - module->start, JS_READ_OBJ_BYTECODE);
  return JS_ThrowReferenceError(ctx, "no module %s", name);
}

static JSModuleDef *load_module(JSContext *ctx, const char *name, void *data) {
  (void)data;
  if (strcmp(name, "runlet:system") == 0) return system_module(ctx, name);
  JSValue value = read_module(ctx, name);
  if (JS_IsException(value)) return NULL;
  JSModuleDef *module = JS_VALUE_GET_PTR(value);
  JS_FreeValue(ctx, value); /* the context has it too */
  return module;
}

/* No function makes code of text: eval and Function are not there. */
static JSContext *make_context(JSRuntime *runtime) {
  JSContext *ctx = JS_NewContextRaw(runtime);
  if (!ctx) abort();
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicDate(ctx);
  JS_AddIntrinsicStringNormalize(ctx);
  JS_AddIntrinsicRegExpCompiler(ctx);
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
  JS_AddIntrinsicProxy(ctx);
  JS_AddIntrinsicMapSet(ctx);
  JS_AddIntrinsicTypedArrays(ctx);
  JS_AddIntrinsicPromise(ctx);
  JS_AddIntrinsicBigInt(ctx);
  return ctx;
}

/* What is closed of the standard descriptors would be the next file that is opened. */
static void open_standard_descriptors(void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) abort();
}

enum {
  /* Cycles are few in a command, and short-lived: their collection may wait. */
  GC_THRESHOLD_BYTES = 16 << 20,
  STACK_BYTES = 4 << 20,
  REGION_BYTES = 16 << 20,
};

static void limit_stack(JSRuntime *runtime) {
  struct rlimit stack;
  getrlimit(RLIMIT_STACK, &stack);
  JS_SetMaxStackSize(runtime, stack.rlim_cur / 2 < STACK_BYTES ? stack.rlim_cur / 2 : STACK_BYTES);
  JS_UpdateStackTop(runtime);
}

static JSContext *make_engine(void) {
  JSRuntime *runtime = JS_NewRuntime2(&memory_functions, NULL);
  if (!runtime) abort();
  JS_SetGCThreshold(runtime, GC_THRESHOLD_BYTES);
  JS_SetCanBlock(runtime, true);
  JS_SetModuleLoaderFunc(runtime, normalize, load_module, NULL);
  JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
  return make_context(runtime);
}

static void run_module(JSContext *ctx, const struct program_module *module) {
  if (!JS_RunModule(ctx, "", name_of(module))) die_of_exception(ctx);
}

/* The module that is left to be run, with those that it imports. */
static JSValue link_entry(JSContext *ctx) {
  JSValue entry = read_module(ctx, name_of(&program.modules[1]));
  if (JS_IsException(entry) || JS_ResolveModule(ctx, entry) < 0) die_of_exception(ctx);
  return entry;
}

static JSValue open_modules(JSContext **ctx) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  uint8_t *region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (region == MAP_FAILED) abort();
  memory_open(region, region + REGION_BYTES, false);
  *ctx = make_engine();
  limit_stack(JS_GetRuntime(*ctx));
  run_module(*ctx, &program.modules[0]);
  return link_entry(*ctx);
}

static int make_image(const char *path) {
  image_begin();
  JSContext *ctx = make_engine();
  limit_stack(JS_GetRuntime(ctx));
  for (size_t i = 0; program.modules[i].name; i++)
    if (i != 1) run_module(ctx, &program.modules[i]);
  run_jobs(ctx);
  return image_save(path, ctx, link_entry(ctx));
}

int main(int count, char **words) {
  command_line.count = count;
  command_line.words = words;
  has_modules = program.kind != PROGRAM_IMAGE;
  if (program.kind == PROGRAM_TO_BE_IMAGE) return count == 2 ? make_image(words[1]) : 2;
  open_standard_descriptors();
  dispose_of_signals(SIG_IGN);
  JSContext *ctx;
  JSValue entry = has_modules ? open_modules(&ctx) : image_load(&ctx);
  limit_stack(JS_GetRuntime(ctx));
  loop_open();
  if (JS_IsException(JS_EvalFunction(ctx, entry))) die_of_exception(ctx);
  loop_run(ctx);
  JSValue process = JS_GetPropertyStr(ctx, JS_GetGlobalObject(ctx), "process");
  JS_Invoke(ctx, process, JS_NewAtom(ctx, "exit"), 0, NULL);
  die_of_exception(ctx);
}
