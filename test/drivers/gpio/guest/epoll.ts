// Stands in for the package epoll in the guest: the same binding, compiled for the Node that runs there (compile-epoll.ts).
const loaded: { exports: { readonly Epoll?: unknown } } = { exports: {} };
process.dlopen(loaded, "/job/epoll.node");

export const Epoll: unknown = loaded.exports.Epoll;
