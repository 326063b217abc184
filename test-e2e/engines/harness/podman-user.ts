import { dirname } from "node:path";
import type { Result } from "../../harness/command.ts";
import type { Person } from "../../harness/person.ts";
import type { Runtime } from "./flow.ts";
import { image, Podman } from "./podman.ts";
import type { CallOptions, Scene } from "./scene.ts";

/** The one who has a systemd too, in a guest that has one. */
const uid = 61_234;
const home = "/home/guest";
const runtimeDirectory = `/run/user/${uid}`;

/** Makes the user, with ids to give to containers, and what a login leaves for it. */
const makeUser = `
set -e
grep -q :${uid}: /etc/passwd || echo guest:x:${uid}:${uid}::${home}:/bin/sh >> /etc/passwd
grep -q :${uid}: /etc/group || echo guest:x:${uid}: >> /etc/group
name=$(id -nu ${uid})
echo "$name:700000:65536" > /etc/subuid
echo "$name:700000:65536" > /etc/subgid
mkdir -p ${home} ${runtimeDirectory}
chown ${uid}:${uid} ${home} ${runtimeDirectory}
chmod 700 ${runtimeDirectory}
# As udev leaves it: everybody may make network devices in namespaces of one's own.
[ -e /dev/net/tun ] || modprobe tun || true
if [ -e /dev/net/tun ]; then
  mknod -m 666 /run/tun c 10 200
  mount --bind /run/tun /dev/net/tun
fi
podman --runtime=runc save --quiet --output=/tmp/image.tar ${image}
chmod 644 /tmp/image.tar
`;

/** A group that the user's systemd may take processes from: that of a login. */
const login = `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/login`;

const openLogin = `
if [ -d ${dirname(login)} ]; then
  mkdir -p ${login}
  chown -R ${uid}:${uid} ${login}
fi
`;

/** Becomes the user as a login does: in the group, without any privilege. */
const becomeUser = `
if [ -d ${login} ]; then echo $$ > ${login}/cgroup.procs; fi
export USER=$(id -nu ${uid})
exec setpriv --reuid=${uid} --regid=${uid} --clear-groups "$@"
`;

/** Adds the user to a scene, once. */
export async function addUser(scene: Scene): Promise<void> {
  await scene.succeed(["sh", "-c", makeUser]);
  await scene.succeed(["sh", "-c", openLogin]);
  await new UserPodman(scene, { name: "runc", path: "/usr/sbin/runc" }).print([
    "load",
    "--quiet",
    "--input=/tmp/image.tar",
  ]);
}

/** Podman as an ordinary user calls it. */
export class UserPodman extends Podman {
  /** The argument list of a call, program first. */
  override argv(args: readonly string[]): string[] {
    const variables = [`HOME=${home}`, `XDG_RUNTIME_DIR=${runtimeDirectory}`];
    return ["sh", "-c", becomeUser, "sh", "env", ...variables, ...super.argv(args)];
  }

  override async invoke(args: readonly string[], options: CallOptions = {}): Promise<Result> {
    return await super.invoke(args, { cwd: home, ...options });
  }

  override async print(args: readonly string[], options: CallOptions = {}): Promise<string> {
    return await super.print(args, { cwd: home, ...options });
  }

  override atTerminal(args: readonly string[], size = { rows: 24, columns: 80 }): Person {
    return this.scene.atTerminal(this.argv(args), { ...size, cwd: home });
  }
}

/** Opens Podman of the user with a runtime. */
export async function openUserPodman(scene: Scene, runtime: Runtime): Promise<UserPodman> {
  return new UserPodman(scene, runtime);
}
