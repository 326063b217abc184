import { Runtime } from "@runlet/lifecycle";
import { formatError } from "@runlet/errors";
const r=new Runtime({root:"/tmp/t/root",onWarning:w=>console.error("warn",w)});
try{
const c=await r.create("a1",{bundle:"/tmp/t/bundle",stdio:"pipe"});
console.log(await c.state());
let out="";c.stdout.on("data",d=>out+=d);c.stderr.on("data",d=>out+=d);
await c.start(); console.log(await c.state());
console.log(await c.wait()); await new Promise(r=>setTimeout(r,20)); console.log(out);console.log(await c.state()); await c.delete();
console.log(await r.list());
for(let i=0;i<5;i++){const t=performance.now(); const c=await r.create("b"+i,{bundle:"/tmp/t/bundle",stdio:"null"});const t1=performance.now();await c.start();const t2=performance.now();await c.wait();const t3=performance.now();await c.delete();console.log((t1-t).toFixed(2),(t2-t1).toFixed(2),(t3-t2).toFixed(2),(performance.now()-t3).toFixed(2))}
}catch(e){console.log(formatError(e)); console.log(e)}
