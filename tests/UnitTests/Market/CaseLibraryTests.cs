using McpCan.Server.Hosting;
using McpCan.Server.Market;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;

namespace McpCan.UnitTests.Market;

/// <summary>The templates that come along.</summary>
public sealed class CaseLibraryTests
{
    private static readonly JsonOptions Json = Options();

    public static IEnumerable<TheoryDataRow<string>> Cases => Library().All.Select(c => new TheoryDataRow<string>(c.Id));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Case_FollowsTheRulesOfTemplates_AndSpeaksBothLanguages(string id)
    {
        var definition = Library().Find(id)!.Definition;
        var checks = new Checks();

        TemplateRules.Check(definition, [], Json.SerializerOptions, checks);

        checks.Throw();
        foreach (var text in (LocalText[])[definition.Name, definition.Description!, .. definition.Parameters.Select(p => p.Label!), .. definition.Parameters.Select(p => p.Help).OfType<LocalText>()])
            Assert.Equal(["en", "zh-CN"], text.Texts.Keys.Order(StringComparer.Ordinal));
    }

    private static CaseLibrary Library() => new(new OptionsWrapper<JsonOptions>(Json));

    private static JsonOptions Options()
    {
        var options = new JsonOptions();
        ApiJson.Apply(options.SerializerOptions);
        return options;
    }
}
