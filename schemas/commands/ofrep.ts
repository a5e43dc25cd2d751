/** What is asked of a flag over OFREP, the OpenFeature Remote Evaluation Protocol 0.3.0: https://github.com/open-feature/protocol */
import { z } from 'zod';

/** Lists and objects inside each other, the context itself counted. */
export const MAX_CONTEXT_DEPTH = 8;
/** Attributes, those of inner objects and the items of lists counted. */
export const MAX_CONTEXT_ATTRIBUTES = 500;
/** All names and texts of a context together. */
export const MAX_CONTEXT_CHARS = 32_768;

/** `targetingKey` may be left out, whatever the published schema says: real clients do. */
const evaluationContextSchema = z
  .looseObject({ targetingKey: z.string().nullable().optional() })
  .describe(
    `Attributes of who asks: at most ${MAX_CONTEXT_ATTRIBUTES}, ${MAX_CONTEXT_DEPTH} levels deep, ${MAX_CONTEXT_CHARS} characters.`,
  );

/** Other fields are ignored. */
export const evaluateFlagsSchema = z.looseObject({ context: evaluationContextSchema.nullable().optional() });
