"""Writes the .proto files of OTLP traces from the descriptors in PyPI's opentelemetry-proto: protos_from_pypi.py FOLDER

Debian has no package with OTLP's definitions, and protoc needs them as text; the Python package has them compiled.
"""
import pathlib
import sys

from google.protobuf import descriptor_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

F = descriptor_pb2.FieldDescriptorProto
SCALARS = {F.TYPE_DOUBLE: "double", F.TYPE_FLOAT: "float", F.TYPE_INT64: "int64", F.TYPE_UINT64: "uint64", F.TYPE_INT32: "int32",
           F.TYPE_FIXED64: "fixed64", F.TYPE_FIXED32: "fixed32", F.TYPE_BOOL: "bool", F.TYPE_STRING: "string", F.TYPE_BYTES: "bytes",
           F.TYPE_UINT32: "uint32", F.TYPE_SFIXED32: "sfixed32", F.TYPE_SFIXED64: "sfixed64", F.TYPE_SINT32: "sint32", F.TYPE_SINT64: "sint64"}


def field(one, indent):
    kind = SCALARS.get(one.type) or one.type_name
    label = "repeated " if one.label == F.LABEL_REPEATED else "optional " if one.proto3_optional else ""
    return f"{indent}{label}{kind} {one.name} = {one.number};\n"


def enum(one, indent):
    values = "".join(f"{indent}  {value.name} = {value.number};\n" for value in one.value)
    return f"{indent}enum {one.name} {{\n{values}{indent}}}\n"


def message(one, indent=""):
    inner = indent + "  "
    text = "".join(enum(e, inner) for e in one.enum_type) + "".join(message(m, inner) for m in one.nested_type)
    for number, group in enumerate(one.oneof_decl):
        members = [f for f in one.field if f.HasField("oneof_index") and f.oneof_index == number and not f.proto3_optional]
        if members:
            text += f"{inner}oneof {group.name} {{\n{''.join(field(f, inner + '  ') for f in members)}{inner}}}\n"
    text += "".join(field(f, inner) for f in one.field if not f.HasField("oneof_index") or f.proto3_optional)
    return f"{indent}message {one.name} {{\n{text}{indent}}}\n"


def main():
    folder = pathlib.Path(sys.argv[1])
    for module in (common_pb2, resource_pb2, trace_pb2, trace_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('syntax = "proto3";\n' + f"package {file.package};\n" + "".join(f'import "{name}";\n' for name in file.dependency) +
                        "".join(enum(e, "") for e in file.enum_type) + "".join(message(m) for m in file.message_type))
        print(path)


main()
