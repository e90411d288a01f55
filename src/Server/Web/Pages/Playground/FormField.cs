using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace McpCan.Server.Web.Pages.Playground;

/// <summary>
/// One field of the form with what the person entered. <see cref="Read"/> gives the value, or nothing for what was left empty;
/// <see cref="Write"/> takes one over. What the form has no place for is kept, so that form and JSON hold the same value.
/// </summary>
public sealed class FormField
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private JsonObject _extra = [];
    private JsonNode? _odd;
    private bool _isOdd;
    private bool _given;

    public FormField(SchemaNode node, string name, bool required, string path, bool defaults = true)
    {
        (Node, Name, Required, Path) = (node, name, required, path);
        Clear(defaults);
        if (defaults && node.HasDefault) Write(node.Default);
    }

    public SchemaNode Node { get; }
    public string Name { get; }
    public bool Required { get; }
    /// <summary>Unique in its form; also the id of its input.</summary>
    public string Path { get; }
    /// <summary>What was typed, or the index of what was chosen.</summary>
    public string Text { get; private set; } = "";
    public bool? Flag { get; private set; }
    public int Variant { get; private set; }
    public IReadOnlyList<FormField> Fields { get; private set; } = [];
    public List<FormField> Items { get; } = [];
    public IReadOnlyList<FormField> Variants { get; private set; } = [];
    public SchemaFault? Fault { get; private set; }
    /// <summary>A value that does not fit this kind of input; it stays until something else is entered.</summary>
    public string? Odd => _isOdd ? ToText(_odd) : null;

    public static FormField Of(JsonNode? schema, string id) => new(SchemaNode.Of(schema), "", true, id);

    public static string ToText(JsonNode? value) => value?.ToJsonString(Indented) ?? "null";

    public void Enter(string? text) => (Text, _given, _isOdd, Fault) = (text ?? "", false, false, null);

    public void Switch(bool? on) => (Flag, _isOdd, Fault) = (on, false, null);

    public void Choose(int variant) => (Variant, _given, _isOdd, Fault) = (Math.Clamp(variant, 0, Variants.Count - 1), true, false, null);

    public void Add()
    {
        (_given, _isOdd, Fault) = (true, false, null);
        if (Items.Count < 1000) Items.Add(NewItem());
    }

    public void Remove(FormField item)
    {
        Items.Remove(item);
        (_given, Fault) = (Items.Count > 0, null);
    }

    public void Move(FormField item, int by)
    {
        var (from, to) = (Items.IndexOf(item), Items.IndexOf(item) + by);
        if (from < 0 || to < 0 || to >= Items.Count) return;
        (Items[from], Items[to]) = (Items[to], Items[from]);
    }

    /// <summary>Whether there is a value, and which.</summary>
    public bool Read(out JsonNode? value)
    {
        value = _odd?.DeepClone();
        if (_isOdd) return true;
        switch (Node.Kind)
        {
            case SchemaKind.Constant:
                value = Node.Constant?.DeepClone();
                return Required || _given;
            case SchemaKind.Text:
                value = Text;
                return Text.Length > 0 || _given;
            case SchemaKind.Number:
                value = ParseNumber();
                return value is not null;
            case SchemaKind.Boolean:
                value = Flag;
                return Flag is not null;
            case SchemaKind.Choice:
                var there = int.TryParse(Text, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at < Node.Choices.Count;
                value = there ? Node.Choices[at].Value?.DeepClone() : null;
                return there;
            case SchemaKind.List:
                value = new JsonArray([.. Items.Select(i => i.Read(out var item) ? item : i.Blank())]);
                return Required || _given || Items.Count > 0;
            case SchemaKind.Group:
                return ReadGroup(out value);
            case SchemaKind.Variants:
                return Variants[Variant].Read(out value);
            default:
                value = ParseJson(out var wrong);
                return Text.Trim().Length > 0 && !wrong;
        }
    }

    /// <summary>The value; an empty object when nothing was entered.</summary>
    public JsonNode? Value => Read(out var value) ? value : new JsonObject();

    /// <summary>Takes a value over, whatever was there.</summary>
    public void Write(JsonNode? value)
    {
        Clear(defaults: false);
        _given = true;
        var kind = value?.GetValueKind() ?? JsonValueKind.Null;
        switch (Node.Kind)
        {
            case SchemaKind.Constant when JsonNode.DeepEquals(value, Node.Constant):
                break;
            case SchemaKind.Text when kind == JsonValueKind.String:
                Text = value!.ToString();
                break;
            case SchemaKind.Number when kind == JsonValueKind.Number:
                Text = value!.ToJsonString();
                break;
            case SchemaKind.Boolean when kind is JsonValueKind.True or JsonValueKind.False:
                Flag = kind == JsonValueKind.True;
                break;
            case SchemaKind.Choice when IndexOf(value) is >= 0 and var index:
                Text = index.ToString(CultureInfo.InvariantCulture);
                break;
            case SchemaKind.List when value is JsonArray array && array.Count <= 1000:
                foreach (var item in array)
                {
                    var field = NewItem();
                    field.Write(item);
                    Items.Add(field);
                }
                break;
            case SchemaKind.Group when value is JsonObject group:
                WriteGroup(group);
                break;
            case SchemaKind.Variants:
                WriteVariant(value);
                break;
            case SchemaKind.Json:
                Text = ToText(value);
                break;
            default:
                (_odd, _isOdd) = (value?.DeepClone(), true);
                break;
        }
    }

    /// <summary>Notes what is wrong under each field; whether all is right.</summary>
    public bool Check()
    {
        Fault = OwnFault();
        var below = Node.Kind switch
        {
            // An optional object that was left empty is not sent, so nothing in it is missing.
            SchemaKind.Group when Required || Read(out _) => Fields,
            SchemaKind.List => Items,
            SchemaKind.Variants when Required || Read(out _) => [Variants[Variant]],
            _ => (IReadOnlyList<FormField>)[],
        };
        var fine = true;
        foreach (var field in Fields.Concat(Items).Concat(Variants)) fine &= below.Contains(field) ? field.Check() : field.Forget();
        return fine && Fault is null;
    }

    private bool Forget()
    {
        Fault = null;
        foreach (var field in Fields.Concat(Items).Concat(Variants)) field.Forget();
        return true;
    }

    private SchemaFault? OwnFault()
    {
        if (_isOdd) return Node.Nullable && _odd is null ? null : new SchemaFault(Path, "error-odd");
        if (Node.Kind == SchemaKind.Number && Text.Trim().Length > 0 && ParseNumber() is null) return new SchemaFault(Path, "error-number");
        if (Node.Kind == SchemaKind.Json && Text.Trim().Length > 0)
        {
            ParseJson(out var wrong);
            if (wrong) return new SchemaFault(Path, "error-json");
        }
        if (Node.Kind is SchemaKind.Group or SchemaKind.Variants) return null;
        if (!Read(out var value)) return Required && !Node.Nullable ? new SchemaFault(Path, "error-required") : null;
        // Of a list only what it says of itself; its items say the rest.
        var own = Node.Kind == SchemaKind.List ? new JsonObject(Node.Schema.Where(k => k.Key is not ("items" or "$ref")).Select(k => KeyValuePair.Create(k.Key, k.Value?.DeepClone()))) : Node.Schema;
        if (Node.Kind == SchemaKind.Json && own.ToJsonString().Contains("$ref", StringComparison.Ordinal)) return null; // its definitions are not here
        return SchemaCheck.Check(own, value) is [var first, ..] ? first : null;
    }

    private void Clear(bool defaults)
    {
        (Text, Flag, Variant, _odd, _isOdd, _given, _extra, Fault) = ("", null, 0, null, false, false, [], null);
        Items.Clear();
        Fields = [.. Node.Fields.Select((f, at) => new FormField(f.Node, f.Name, f.Required, string.Create(CultureInfo.InvariantCulture, $"{Path}-{at}"), defaults))];
        Variants = [.. Node.Variants.Select((v, at) => new FormField(v, Name, Required, string.Create(CultureInfo.InvariantCulture, $"{Path}-v{at}"), defaults))];
        // A required switch has a position from the start.
        if (Node.Kind == SchemaKind.Boolean && Required) Flag = false;
    }

    private bool ReadGroup(out JsonNode? value)
    {
        var group = new JsonObject();
        foreach (var field in Fields)
            if (field.Read(out var item)) group[field.Name] = item;
        foreach (var (name, item) in _extra) group[name] = item?.DeepClone();
        value = group;
        // What a required constant or switch says of itself makes no optional object.
        return Required || _given || _extra.Count > 0 || Fields.Any(f => f.Entered);
    }

    private bool Entered => Node.Kind switch
    {
        SchemaKind.Constant => _given,
        SchemaKind.Boolean => _given || Flag == true,
        SchemaKind.Group => _given || _extra.Count > 0 || Fields.Any(f => f.Entered),
        SchemaKind.List => _given || Items.Count > 0,
        SchemaKind.Variants => _given || Variants[Variant].Entered,
        _ => _isOdd || Text.Length > 0 || _given,
    };

    private void WriteGroup(JsonObject group)
    {
        foreach (var field in Fields)
        {
            if (field.Node.Kind == SchemaKind.Boolean && !group.ContainsKey(field.Name)) field.Flag = null;
        }
        foreach (var (name, value) in group)
        {
            if (Fields.FirstOrDefault(f => f.Name == name) is { } field) field.Write(value);
            else _extra[name] = value?.DeepClone();
        }
    }

    private void WriteVariant(JsonNode? value)
    {
        var fitting = Enumerable.Range(0, Variants.Count).FirstOrDefault(at => SchemaCheck.Check(Variants[at].Node.Schema, value).Count == 0, -1);
        if (fitting < 0) fitting = Enumerable.Range(0, Variants.Count).FirstOrDefault(at => { Variants[at].Write(value); return !Variants[at]._isOdd; }, -1);
        if (fitting < 0)
        {
            (_odd, _isOdd) = (value?.DeepClone(), true);
            return;
        }
        Variant = fitting;
        Variants[fitting].Write(value);
    }

    private FormField NewItem() => new(Node.Items!, "", true, $"{Path}-{Guid.NewGuid().ToString("N")[..8]}");

    // An entry without a value still stands in its list.
    private JsonNode? Blank() => Node.Kind == SchemaKind.Text ? "" : null;

    private int IndexOf(JsonNode? value)
    {
        for (var at = 0; at < Node.Choices.Count; at++)
            if (JsonNode.DeepEquals(Node.Choices[at].Value, value)) return at;
        return -1;
    }

    // As typed, so that long numbers keep all their digits.
    private JsonNode? ParseNumber()
    {
        try
        {
            return JsonNode.Parse(Text.Trim()) is JsonValue v && v.GetValueKind() == JsonValueKind.Number ? v : null;
        }
        catch (JsonException)
        {
            return decimal.TryParse(Text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number) : null;
        }
    }

    private JsonNode? ParseJson(out bool wrong)
    {
        wrong = false;
        try
        {
            return Text.Trim().Length == 0 ? null : JsonNode.Parse(Text);
        }
        catch (JsonException)
        {
            wrong = true;
            return null;
        }
    }
}
