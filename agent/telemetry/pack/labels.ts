// SenML labels in CBOR: RFC 8428 section 6, table 6.
export const LABEL = {
  baseVersion: -1,
  baseName: -2,
  baseTime: -3,
  baseUnit: -4,
  baseValue: -5,
  baseSum: -6,
  name: 0,
  unit: 1,
  value: 2,
  stringValue: 3,
  booleanValue: 4,
  sum: 5,
  time: 6,
  updateTime: 7,
  dataValue: 8,
} as const;

/** The version of RFC 8428; a pack of a later one says so in its base version (section 4.1). */
export const SENML_VERSION = 10;
