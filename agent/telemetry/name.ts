// Names of readings.

/** SenML names: RFC 8428 section 4.5.1. */
export const SENML_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/;
