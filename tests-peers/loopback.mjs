// Keeps a server that names no address on the loopback interface, and says which port it got.
//
// `node --import ./loopback.mjs SERVER` with PORT=0: the reference servers listen on every interface
// and print the port they asked for, which says nothing when they asked for any.
import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => console.error(`loopback port ${this.address().port}`));
  const callback = rest.find((argument) => typeof argument === "function");
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, callback);
};
