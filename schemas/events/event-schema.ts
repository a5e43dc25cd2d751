/** An event's data as JSON Schema: what its record keeps, and what the AsyncAPI document is made from. */
import { inlineSchema, type JsonSchema } from '../json-schema.ts';
import { personalFields } from '../personal.ts';
import type { EventDefinition } from './definition.ts';

/** Marks a personal field: `{ subject }` names the field that holds the subject's id; null: the tenant. */
export const PERSONAL = 'x-personal';

/** With personal fields in the clear, each marked. Rules that look at more than one value are not told. */
export function eventSchema({ schema }: Pick<EventDefinition, 'schema'>): JsonSchema {
  const json = inlineSchema(schema, 'output');
  const properties = Object.entries((json.properties ?? {}) as Record<string, JsonSchema>);
  return {
    ...json,
    properties: Object.fromEntries(
      properties.map(([name, property]) => {
        const mark = personalFields.get(schema.shape[name] as Parameters<typeof personalFields.has>[0]);
        return [name, mark ? { ...property, [PERSONAL]: { subject: mark.subjectField } } : property];
      }),
    ),
  };
}

/** The fields that the codec seals, in the order of the schema. */
export function personalFieldsOf(schema: JsonSchema): readonly string[] {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  return properties.filter(([, property]) => PERSONAL in property).map(([name]) => name);
}
