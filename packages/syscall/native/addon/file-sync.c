/* Waiting for a disk takes as long as the disk takes: on a thread of the pool, while JavaScript goes on. */
#include "addon.h"

struct sync_call {
  napi_deferred deferred;
  napi_async_work work;
  int fd;
  int error;
};

static void execute_sync(napi_env env, void *data) {
  (void)env;
  struct sync_call *call = data;
  call->error = syncfs(call->fd) < 0 ? errno : 0;
}

static void complete_sync(napi_env env, napi_status status, void *data) {
  CLEANUP_FREE struct sync_call *call = data;
  if (status != napi_ok) call->error = ECANCELED;
  napi_resolve_deferred(env, call->deferred, number_value(env, -call->error));
  napi_delete_async_work(env, call->work);
}

/* syncfs(fd): a promise of 0 | -errno, or -errno. The descriptor has to stay open until it has been settled. */
static napi_value sync_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  CLEANUP_FREE struct sync_call *call = calloc(1, sizeof *call);
  if (call == NULL) return number_value(env, -ENOMEM);
  call->fd = fd;
  napi_value promise, name = text_value(env, "runlet.syncfs", NAPI_AUTO_LENGTH);
  if (napi_create_promise(env, &call->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, NULL, name, execute_sync, complete_sync, call, &call->work) != napi_ok ||
      napi_queue_async_work(env, call->work) != napi_ok)
    return number_value(env, -ENOMEM);
  call = NULL;
  return promise;
}

const struct export_entry sync_exports[] = {{"syncfs", sync_export}, {0}};
