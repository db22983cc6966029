"""What the interface's description says that the framework would leave out."""

from typing import Any

from litestar._openapi.schema_generation import SchemaCreator
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.typing import FieldDefinition


class StrictStructs(StructSchemaPlugin):
    """Says of requests that unknown members are refused, and of variants which one they are."""

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        """Describe a struct."""
        schema = super().to_openapi_schema(field_definition, schema_creator)
        if field_definition.annotation.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        _describe_tag(schema, field_definition.annotation)
        return schema


def _describe_tag(schema: Schema, struct: Any) -> None:  # noqa: ANN401  # any struct
    config = struct.__struct_config__
    if config.tag_field is None:
        return
    tag = Schema(type=OpenAPIType.STRING, const=config.tag)
    schema.properties = {config.tag_field: tag, **(schema.properties or {})}
    schema.required = [config.tag_field, *(schema.required or [])]
