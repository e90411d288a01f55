using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace McpCan.UnitTests;

/// <summary>What a compiled assembly refers to: other assemblies, and for each of its types the own types that it uses anywhere, method bodies included.</summary>
internal sealed class CompiledAssembly
{
    private static readonly Dictionary<int, OpCode> OpCodesByValue = typeof(OpCodes).GetFields().Select(f => f.GetValue(null)).OfType<OpCode>().ToDictionary(o => (int)(ushort)o.Value);
    private readonly MetadataReader _reader;
    private readonly PEReader _image;
    private readonly HashSet<(string From, string To)> _uses = [];
    private readonly Names _names = new();

    private CompiledAssembly(PEReader image)
    {
        _image = image;
        _reader = image.GetMetadataReader();
        References = [.. _reader.AssemblyReferences.Select(r => _reader.GetString(_reader.GetAssemblyReference(r).Name))];
        foreach (var type in _reader.TypeDefinitions) ReadType(type);
    }

    /// <summary>Names of the referenced assemblies.</summary>
    public IReadOnlyList<string> References { get; }

    /// <summary>Pairs of full type names; nested types count as the type around them.</summary>
    public IReadOnlySet<(string From, string To)> Uses => _uses;

    /// <summary>Reads an assembly that lies beside this one.</summary>
    public static CompiledAssembly Read(string name)
    {
        using var image = new PEReader(ImmutableArray.Create(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, name + ".dll"))));
        return new CompiledAssembly(image);
    }

    private void ReadType(TypeDefinitionHandle handle)
    {
        var type = _reader.GetTypeDefinition(handle);
        var from = Names.Full(_reader, handle);
        Add(from, type.BaseType);
        foreach (var implemented in type.GetInterfaceImplementations()) Add(from, _reader.GetInterfaceImplementation(implemented).Interface);
        foreach (var attribute in type.GetCustomAttributes()) Add(from, _reader.GetCustomAttribute(attribute).Constructor);
        foreach (var field in type.GetFields()) Add(from, _reader.GetFieldDefinition(field).DecodeSignature(_names, null));
        foreach (var method in type.GetMethods()) ReadMethod(from, _reader.GetMethodDefinition(method));
    }

    private void ReadMethod(string from, MethodDefinition method)
    {
        Add(from, method.DecodeSignature(_names, null));
        if (method.RelativeVirtualAddress == 0) return;
        var body = _image.GetMethodBody(method.RelativeVirtualAddress);
        if (!body.LocalSignature.IsNil)
            foreach (var local in _reader.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(_names, null)) Add(from, local);
        var code = body.GetILReader();
        while (code.RemainingBytes > 0)
        {
            int value = code.ReadByte();
            if (value == 0xFE) value = 0xFE00 | code.ReadByte();
            switch (OpCodesByValue[value].OperandType)
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType:
                    Add(from, MetadataTokens.EntityHandle(code.ReadInt32()));
                    break;
                case OperandType.InlineSwitch:
                    var targets = code.ReadInt32();
                    code.Offset += 4 * targets;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    code.Offset += 8;
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    code.Offset += 1;
                    break;
                case OperandType.InlineVar:
                    code.Offset += 2;
                    break;
                default:
                    code.Offset += 4;
                    break;
            }
        }
    }

    private void Add(string from, MethodSignature<ImmutableArray<string>> signature)
    {
        Add(from, signature.ReturnType);
        foreach (var parameter in signature.ParameterTypes) Add(from, parameter);
    }

    private void Add(string from, ImmutableArray<string> types)
    {
        foreach (var to in types)
            if (to != from) _uses.Add((from, to));
    }

    private void Add(string from, EntityHandle handle)
    {
        if (handle.IsNil) return;
        switch (handle.Kind)
        {
            case HandleKind.TypeDefinition:
                Add(from, [Names.Full(_reader, (TypeDefinitionHandle)handle)]);
                break;
            case HandleKind.TypeSpecification:
                Add(from, _reader.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(_names, null));
                break;
            case HandleKind.MethodDefinition:
                Add(from, [Names.Full(_reader, _reader.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType())]);
                break;
            case HandleKind.FieldDefinition:
                Add(from, [Names.Full(_reader, _reader.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType())]);
                break;
            case HandleKind.MethodSpecification:
                var specification = _reader.GetMethodSpecification((MethodSpecificationHandle)handle);
                foreach (var argument in specification.DecodeSignature(_names, null)) Add(from, argument);
                Add(from, specification.Method);
                break;
            case HandleKind.MemberReference:
                var member = _reader.GetMemberReference((MemberReferenceHandle)handle);
                Add(from, member.Parent);
                if (member.GetKind() == MemberReferenceKind.Field) Add(from, member.DecodeFieldSignature(_names, null));
                else Add(from, member.DecodeMethodSignature(_names, null));
                break;
            default:
                break;
        }
    }

    /// <summary>Decodes signatures to the names of this assembly's own types in them.</summary>
    private sealed class Names : ISignatureTypeProvider<ImmutableArray<string>, object?>
    {
        public static string Full(MetadataReader reader, TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            while (!type.GetDeclaringType().IsNil) type = reader.GetTypeDefinition(type.GetDeclaringType());
            return $"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}";
        }

        public ImmutableArray<string> GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) => [Full(reader, handle)];
        public ImmutableArray<string> GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);
        public ImmutableArray<string> GetGenericInstantiation(ImmutableArray<string> genericType, ImmutableArray<ImmutableArray<string>> typeArguments) =>
            [.. genericType, .. typeArguments.SelectMany(a => a)];
        public ImmutableArray<string> GetFunctionPointerType(MethodSignature<ImmutableArray<string>> signature) => [.. signature.ReturnType, .. signature.ParameterTypes.SelectMany(p => p)];
        public ImmutableArray<string> GetArrayType(ImmutableArray<string> elementType, ArrayShape shape) => elementType;
        public ImmutableArray<string> GetByReferenceType(ImmutableArray<string> elementType) => elementType;
        public ImmutableArray<string> GetModifiedType(ImmutableArray<string> modifier, ImmutableArray<string> unmodifiedType, bool isRequired) => unmodifiedType;
        public ImmutableArray<string> GetPinnedType(ImmutableArray<string> elementType) => elementType;
        public ImmutableArray<string> GetPointerType(ImmutableArray<string> elementType) => elementType;
        public ImmutableArray<string> GetSZArrayType(ImmutableArray<string> elementType) => elementType;
        public ImmutableArray<string> GetGenericMethodParameter(object? genericContext, int index) => [];
        public ImmutableArray<string> GetGenericTypeParameter(object? genericContext, int index) => [];
        public ImmutableArray<string> GetPrimitiveType(PrimitiveTypeCode typeCode) => [];
        public ImmutableArray<string> GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => [];
    }
}
