// The acknowledgements that we send ourselves (MQTT 3.1.1 sections 3.4 and 3.5; the same bytes are valid in MQTT 5, where the reason code
// may be left out when it is 0: sections 3.4.2.1 and 3.5.2.1).
//
//   0x40 (PUBACK) or 0x50 (PUBREC) | 0x02 | packet identifier, high byte, low byte

const FIRST_BYTE = { 1: 0x40, 2: 0x50 } as const;

/** What answers a PUBLISH: PUBACK for QoS 1, PUBREC for QoS 2. */
export const encodeAck = (qos: 1 | 2, packetId: number): Uint8Array =>
  Uint8Array.of(FIRST_BYTE[qos], 2, packetId >> 8, packetId & 0xff);
