using System.Collections;
using System.Globalization;
using System.Resources;
using System.Text.RegularExpressions;
using McpCan.Server.Web.Resources;

namespace McpCan.UnitTests.Web;

/// <summary>Both languages are complete, and every text that a page asks for exists.</summary>
public sealed partial class TextsTests
{
    public static TheoryData<Type> Areas() => [.. typeof(ShellTexts).Assembly.GetTypes().Where(t => t.Name.EndsWith("Texts", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Areas))]
    public void Texts_InBothLanguages_HaveTheSameKeysAndPlaceholders(Type area)
    {
        var (english, chinese) = (Read(area, CultureInfo.InvariantCulture), Read(area, CultureInfo.GetCultureInfo("zh-CN")));
        Assert.NotEmpty(english);
        Assert.Equal(english.Keys.Order(), chinese.Keys.Order());
        foreach (var (key, text) in english)
        {
            Assert.False(string.IsNullOrWhiteSpace(text), key);
            Assert.False(string.IsNullOrWhiteSpace(chinese[key]), key);
            Assert.True(Placeholders(text).SetEquals(Placeholders(chinese[key])), $"{area.Name}.{key}: other placeholders in Chinese");
        }
    }

    [Fact]
    public void Texts_ThatPagesAskFor_Exist()
    {
        var areas = Areas().Select(a => a.Data).ToDictionary(a => a.Name, a => Read(a, CultureInfo.InvariantCulture));
        var missing = new List<string>();
        var web = Path.Combine(Root(), "src", "Server", "Web");
        foreach (var page in Directory.EnumerateFiles(web, "*.razor", SearchOption.AllDirectories))
        {
            var source = File.ReadAllText(page) + (File.Exists(page + ".cs") ? File.ReadAllText(page + ".cs") : "");
            var localizers = Localizers().Matches(source).ToDictionary(m => m.Groups["name"].Value, m => m.Groups["area"].Value);
            foreach (Match used in Uses().Matches(source))
            {
                if (localizers.TryGetValue(used.Groups["name"].Value, out var area) && !areas[area].ContainsKey(used.Groups["key"].Value))
                    missing.Add($"{Path.GetFileName(page)}: {area}.{used.Groups["key"].Value}");
            }
        }
        Assert.Empty(missing);
    }

    private static Dictionary<string, string> Read(Type area, CultureInfo culture) =>
        new ResourceManager(area.FullName!, area.Assembly).GetResourceSet(culture, createIfNotExists: true, tryParents: false)!
            .Cast<DictionaryEntry>().ToDictionary(e => (string)e.Key, e => (string)e.Value!);

    private static HashSet<string> Placeholders(string text) => [.. Placeholder().Matches(text).Select(m => m.Value)];

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "McpCan.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }

    [GeneratedRegex(@"\{\d\}")]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"IStringLocalizer<(?<area>\w+)> (?<name>\w+)")]
    private static partial Regex Localizers();

    [GeneratedRegex("""\b(?<name>[A-Z])\["(?<key>[a-zA-Z0-9-]+)"[\],]""")]
    private static partial Regex Uses();
}
