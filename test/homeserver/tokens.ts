// Stream tokens. One shape for /sync and /messages, `s<position>_<to-device>`: the second number is how far the device's inbox was delivered,
// which may lag behind when a batch was full. Opaque to clients.
export interface StreamToken {
  readonly position: number;
  readonly toDevice: number;
}

export const encodeToken = ({ position, toDevice }: StreamToken): string => `s${position}_${toDevice}`;

export const positionToken = (position: number): string => encodeToken({ position, toDevice: position });

export const parseToken = (text: string): StreamToken | null => {
  const found = /^s(\d+)_(\d+)$/.exec(text);
  return found === null ? null : { position: Number(found[1]), toDevice: Number(found[2]) };
};
