{
  # For `npm install` where no prebuild fits; scripts/build-native.js compiles the same sources with the same flags.
  "targets": [
    {
      "target_name": "runlet",
      "sources": ["<!@(node -p \"require('fs').readdirSync('native/addon').filter(n => n.endsWith('.c')).map(n => 'native/addon/' + n).join(' ')\")"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-fstack-protector-strong"],
      "ldflags": ["-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"]
    },
    {
      "target_name": "runlet-init",
      "type": "executable",
      "sources": ["<!@(node -p \"require('fs').readdirSync('native/init').filter(n => n.endsWith('.c')).map(n => 'native/init/' + n).join(' ')\")"],
      "cflags!": ["-pthread", "-fno-omit-frame-pointer", "-fPIC", "-m64"],
      "cflags": [
        "-std=gnu11", "-O2", "-Wall", "-Wextra", "-ffreestanding", "-fno-builtin", "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables", "-fno-pie"
      ],
      "ldflags!": ["-pthread", "-rdynamic", "-m64"],
      "ldflags": ["-static", "-nostdlib", "-no-pie", "-Wl,-z,noexecstack", "-Wl,--build-id=none"]
    }
  ]
}
