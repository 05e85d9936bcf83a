// A weather station: temperature and humidity with the hour of the day, pressure that drifts over days, gusty wind, and a rain gauge that only counts up.
// All signals are a pure function of (seed, time since the start); the start is taken as midnight.
import { clamp, gusts, hash, round, wander } from "./noise.ts";
import type { Signal } from "./signal.ts";

const DAY_S = 86_400;
const HOUR_S = 3_600;
/** A tipping bucket counts in steps of this. */
const BUCKET_MM = 0.2;

const NOISE = { temperature: 1, humidity: 2, pressure: 3, wind: 4, direction: 5, rain: 6 };

/** Rain of one whole hour in millimetres: most hours are dry. */
const hourlyRain = (seed: number, hour: number): number => {
  const chance = hash(seed, NOISE.rain, hour);
  return chance < 0.75 ? 0 : ((chance - 0.75) / 0.25) ** 2 * 6;
};

/** Rain since the start: whole hours, and the part of the present one; never falls. */
const rainAt = (seed: number, timeS: number): number => {
  const hours = Math.floor(timeS / HOUR_S);
  let total = hourlyRain(seed, hours) * (timeS / HOUR_S - hours);
  for (let hour = 0; hour < hours; hour += 1) total += hourlyRain(seed, hour);
  return Math.floor(total / BUCKET_MM + 1e-9) * BUCKET_MM;
};

/** -1 at four in the morning, 1 at four in the afternoon. */
const warmth = (timeS: number): number => -Math.cos(((timeS / DAY_S - 4 / 24) % 1) * 2 * Math.PI);

/** What the station measures at `timeS` seconds after its start. */
export const weatherAt = (seed: number, timeS: number): Signal[] => {
  const warm = warmth(timeS);
  const temperature = 12 + 6 * warm + 3 * wander(seed, NOISE.temperature, timeS, 6 * HOUR_S);
  const humidity = clamp(68 - 20 * warm + 8 * wander(seed, NOISE.humidity, timeS, 4 * HOUR_S), 5, 100);
  const pressure = 101_325 + 1_400 * wander(seed, NOISE.pressure, timeS, 2 * DAY_S);
  const wind = Math.max(0, 4 + 2 * warm + 3.5 * gusts(seed, NOISE.wind, timeS, 60));
  const direction = (230 + 60 * gusts(seed, NOISE.direction, timeS, 600) + 360) % 360;
  return [
    { name: "temperature", value: round(temperature, 1), unit: "Cel" },
    { name: "humidity", value: round(humidity, 1), unit: "%RH" },
    { name: "pressure", value: Math.round(pressure), unit: "Pa" },
    { name: "wind/speed", value: round(wind, 1), unit: "m/s" },
    { name: "wind/direction", value: Math.round(direction) % 360, unit: "deg" },
    { name: "rain", value: round(rainAt(seed, timeS), 1), unit: "mm" },
  ];
};
