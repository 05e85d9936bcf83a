// A drone that takes off, flies a circuit in gusty wind, comes home, lands, charges and begins again, every ten minutes.
// All signals are a pure function of (seed, time since the start): a test and a plot ask for any moment.
import { clamp, gusts, hash, round, wander } from "./noise.ts";
import type { Signal, SimulatedPlace } from "./signal.ts";

type Phase = "STANDBY" | "TAKEOFF" | "AUTO" | "LAND" | "CHARGING";

/** When each phase begins, in seconds of the cycle. */
const PHASES: readonly (readonly [fromS: number, phase: Phase])[] = [
  [0, "STANDBY"],
  [20, "TAKEOFF"],
  [40, "AUTO"],
  [430, "LAND"],
  [460, "CHARGING"],
];
const CYCLE_S = 600;
const TAKEOFF_S = 20;
const FLIGHT_END_S = 460;
const CRUISE_M = 40;
const CIRCUIT_M = 120;
const LAPS = 3;
const METRES_PER_DEGREE = 111_320;
const CELLS = 4;
const LOWEST_PERCENT = 28;
const HOVER_RPM = 5_400;

/** Channels of the noise: one per thing that wanders by itself. */
const NOISE = {
  wind: 1,
  roll: 2,
  pitch: 3,
  yaw: 4,
  height: 5,
  satellites: 6,
  rssi: 7,
  cell: 8,
  load: 9,
  motor: 20,
};

const phaseAt = (cycleS: number): Phase =>
  PHASES.reduce<Phase>((current, [fromS, phase]) => (cycleS >= fromS ? phase : current), "STANDBY");

/** 0 at `from`, 1 at `to`, gentle at both ends. */
const ease = (value: number, from: number, to: number): number => {
  const part = clamp((value - from) / (to - from), 0, 1);
  return part * part * (3 - 2 * part);
};

const heightAt = (cycleS: number): number =>
  CRUISE_M * (ease(cycleS, 20, 40) - ease(cycleS, 430, FLIGHT_END_S));

/** Place on the circuit: it leaves home and comes back to it, so the angle begins and ends at the same point. */
const circuitAt = (
  cycleS: number,
): { readonly angle: number; readonly north: number; readonly east: number } => {
  const angle = ease(cycleS, 40, 430) * LAPS * 2 * Math.PI;
  return { angle, north: CIRCUIT_M * Math.sin(angle), east: CIRCUIT_M * (1 - Math.cos(angle)) };
};

const percentAt = (cycleS: number): number => {
  const flown = clamp((cycleS - TAKEOFF_S) / (FLIGHT_END_S - TAKEOFF_S), 0, 1);
  const charged = ease(cycleS, FLIGHT_END_S, CYCLE_S - 20);
  return 100 - (100 - LOWEST_PERCENT) * (flown - charged);
};

/** Resting voltage of a lithium cell over its charge: flat in the middle, steep at both ends. */
const cellVolts = (percent: number): number => {
  const part = percent / 100;
  return 3.3 + 0.55 * part ** 0.4 + 0.35 * part ** 4;
};

interface Moment {
  readonly seed: number;
  readonly timeS: number;
  readonly cycleS: number;
  readonly flying: number;
  /** Strength of the wind, 0 to 1. */
  readonly wind: number;
}

const momentAt = (seed: number, timeS: number): Moment => {
  const cycleS = timeS % CYCLE_S;
  const flying = heightAt(cycleS) > 0.05 ? 1 : 0;
  return { seed, timeS, cycleS, flying, wind: 0.55 + 0.45 * gusts(seed, NOISE.wind, timeS, 20) };
};

const battery = ({ seed, timeS, cycleS, flying, wind }: Moment): Signal[] => {
  const percent = percentAt(cycleS);
  const amperes = flying === 1 ? 16 + 6 * wind + 2 * wander(seed, NOISE.load, timeS, 2) : 0.6;
  const sag = amperes * 0.02;
  const volts = CELLS * cellVolts(percent) - sag + 0.02 * wander(seed, NOISE.cell, timeS, 1);
  return [
    { name: "battery/percent", value: round(percent, 1), unit: "%" },
    { name: "battery/voltage", value: round(volts, 2), unit: "V" },
    { name: "battery/current", value: round(amperes, 2), unit: "A" },
  ];
};

const position = ({ seed, timeS, cycleS, flying, wind }: Moment, home: SimulatedPlace): Signal[] => {
  const { north, east } = circuitAt(cycleS);
  const drift = flying * wind * 1.5;
  const northM = north + drift * wander(seed, NOISE.pitch, timeS, 5);
  const eastM = east + drift * wander(seed, NOISE.roll, timeS, 5);
  const perDegreeEast = METRES_PER_DEGREE * Math.cos((home.lat * Math.PI) / 180);
  const height = Math.max(0, heightAt(cycleS) + flying * 0.6 * wander(seed, NOISE.height, timeS, 3));
  return [
    { name: "gps/lat", value: round(home.lat + northM / METRES_PER_DEGREE, 7), unit: "lat" },
    { name: "gps/lon", value: round(home.lon + eastM / perDegreeEast, 7), unit: "lon" },
    { name: "gps/alt", value: round(home.alt + height, 1), unit: "m" },
    {
      name: "gps/satellites",
      value: Math.round(13 + 3 * wander(seed, NOISE.satellites, timeS, 30)),
      unit: "count",
    },
  ];
};

const attitude = ({ seed, timeS, cycleS, flying, wind }: Moment): Signal[] => {
  const { angle } = circuitAt(cycleS);
  const cruising = ease(cycleS, 40, 60) - ease(cycleS, 410, 430);
  const roll = flying * (6 * cruising + 7 * wind * gusts(seed, NOISE.roll, timeS, 4));
  const pitch = flying * (-5 * cruising + 5 * wind * gusts(seed, NOISE.pitch, timeS, 4));
  const yaw = (angle * 180) / Math.PI + flying * 4 * wander(seed, NOISE.yaw, timeS, 6);
  return [
    { name: "attitude/roll", value: round(roll, 1), unit: "deg" },
    { name: "attitude/pitch", value: round(pitch, 1), unit: "deg" },
    { name: "attitude/yaw", value: round(((yaw % 360) + 360) % 360, 1), unit: "deg" },
  ];
};

const motors = ({ seed, timeS, cycleS, flying, wind }: Moment): Signal[] => {
  const climb = heightAt(cycleS + 0.5) - heightAt(cycleS - 0.5);
  return [1, 2, 3, 4].map((motor) => {
    const own =
      250 * wind * gusts(seed, NOISE.motor + motor, timeS, 1.5) + 60 * (hash(seed, NOISE.motor, motor) - 0.5);
    return {
      name: `motor/${motor}/rpm`,
      value: Math.round(flying * (HOVER_RPM + 180 * climb + own)),
      unit: "1/min",
    };
  });
};

const link = ({ seed, timeS, cycleS }: Moment): Signal[] => {
  const { north, east } = circuitAt(cycleS);
  const distance = Math.max(1, Math.hypot(north, east, heightAt(cycleS)));
  const rssi = -38 - 20 * Math.log10(distance) * 0.9 + 3 * gusts(seed, NOISE.rssi, timeS, 2);
  return [{ name: "link/rssi", value: Math.round(rssi), unit: "dBm" }];
};

/** What the drone measures at `timeS` seconds after its start. */
export const droneAt = (seed: number, timeS: number, home: SimulatedPlace): Signal[] => {
  const moment = momentAt(seed, timeS);
  return [
    { name: "mode", value: phaseAt(moment.cycleS) },
    ...battery(moment),
    ...position(moment, home),
    ...attitude(moment),
    ...motors(moment),
    ...link(moment),
  ];
};
