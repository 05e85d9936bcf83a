// The section `metrics` of the configuration: where they are served.
import type { ZodType } from "zod";
import * as z from "zod";

export interface MetricsConfig {
  readonly listen?: string | undefined;
  readonly anywhere: boolean;
}

export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const TCP = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/;

/** `127.0.0.1:9464`, `[::1]:9464`, `/run/petrel/metrics.sock`; null: none of these. */
export const parseListen = (text: string): ListenAddress | null => {
  if (text.startsWith("/")) return { kind: "unix", path: text };
  const match = TCP.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return null;
  return { kind: "tcp", host: match[1] ?? match[2] ?? "", port };
};

const isLoopback = (address: ListenAddress): boolean =>
  address.kind === "unix" ||
  address.host === "localhost" ||
  address.host === "::1" ||
  /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address.host);

export const metricsSchema: ZodType<MetricsConfig> = z
  .strictObject({
    listen: z
      .string()
      .refine((text) => parseListen(text) !== null, {
        error: 'expected an address and a port, such as "127.0.0.1:9464", or the path of a UNIX socket',
      })
      .optional()
      .describe(
        "Where a Prometheus gets them: 127.0.0.1:9464, or the path of a UNIX socket (default: nowhere).",
      ),
    anywhere: z
      .boolean()
      .default(false)
      .describe("Lets `listen` be an address that others can reach. There is no password and no TLS."),
  })
  .refine(
    ({ anywhere, listen }) => {
      const address = listen === undefined ? null : parseListen(listen);
      return address === null || anywhere || isLoopback(address);
    },
    {
      path: ["listen"],
      error: "expected an address of this machine itself (127.0.0.1, ::1), or anywhere: true beside it",
    },
  );
