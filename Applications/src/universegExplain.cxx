/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "universegModelOptions.h"
#include "universegRandomNetwork.h"
#include "universegSubcommands.h"

#include "itkNNNetworkRunner.h"
#include "itkNNPasses.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>

namespace universeg
{
namespace
{
using itk::nn::ExecutionPlan;
using itk::nn::Graph;
using Json = nlohmann::ordered_json;

double
CountValueBytes(const Graph & graph)
{
  double bytes = 0;
  for (const auto & node : graph.GetNodes())
  {
    bytes += 4.0 * static_cast<double>(itk::nn::NumberOfElements(graph.GetShape(node.output)));
  }
  return bytes;
}

Json
DescribeGraph(const Graph & graph)
{
  Json json;
  json["operators"] = graph.GetNodes().size();
  json["flops"] = graph.CountFlops(true);
  json["value_bytes"] = CountValueBytes(graph);
  return json;
}

Json
DescribePlan(const ExecutionPlan & plan)
{
  Json json = DescribeGraph(plan.GetGraph());
  json["arena_bytes"] = plan.GetArenaBytes();
  json["steps"] = Json::array();
  for (const auto & step : plan.GetSteps())
  {
    json["steps"].push_back(
      { { "operator", step.operatorName },
        { "implementation", step.implementation },
        { "shape", step.outputShape },
        { "layout", step.outputLayout.ToText() },
        { "repetitions", step.repetitions },
        { "flops", step.flops },
        { "bytes", static_cast<double>(step.outputBytes) * static_cast<double>(step.repetitions) },
        { "name", step.name },
        { "parameters", step.description } });
  }
  return json;
}

std::string
Pad(const std::string & text, std::size_t width)
{
  return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

std::string
PadLeft(const std::string & text, std::size_t width)
{
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}

std::string
Giga(const Json & value)
{
  return FormatFixed(value.get<double>() / 1e9, 3);
}

std::string
Mega(const Json & value)
{
  return FormatFixed(value.get<double>() / 1e6, 1);
}

void
PrintSummary(const std::string & title, const Json & json)
{
  std::cout << title << ": " << json["operators"] << " operators, " << Giga(json["flops"])
            << " GFLOP in convolutions and matrix products, " << Mega(json["value_bytes"]) << " MB of results\n";
}

void
PrintPlan(const std::string & title, const Json & json)
{
  std::cout << '\n';
  PrintSummary(title, json);
  std::cout << "arena " << Mega(json["arena_bytes"]) << " MB\n"
            << "    GFLOP       MB  times  " << Pad("implementation", 40) << Pad("result of each", 24) << "name\n";
  for (const auto & step : json["steps"])
  {
    const auto shape = step["shape"].get<itk::nn::Shape>();
    std::cout << PadLeft(Giga(step["flops"]), 9) << PadLeft(Mega(step["bytes"]), 9)
              << PadLeft(std::to_string(step["repetitions"].get<std::int64_t>()), 7) << "  "
              << Pad(step["implementation"].get<std::string>(), 40) << Pad(itk::nn::ToString(shape), 24)
              << step["name"].get<std::string>() << '\n';
  }
}
} // namespace

int
RunExplain(const Arguments & arguments)
{
  CommandLine commandLine("explain",
                          "[--network NAME] [--support-size S] [--json] [OPTION]...",
                          "Prints what a network computes: its operators as written, what each rewriting pass made of\n"
                          "them, and the steps that run, with their floating-point operations (2 a multiply-add), the\n"
                          "bytes of their results and what computes them. Steps that run several times are in a loop,\n"
                          "for one group of supports after the other. With a network that has static inputs (the\n"
                          "support set) there are two plans: of these inputs alone, run once, and of the rest.");
  AddNetworkProblemOptions(commandLine);
  commandLine.AddGroup("Output").add_options()("json", "print a JSON object");
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const NetworkProblem problem = GetNetworkProblem(commandLine);
  std::mt19937_64 generator(networkProblemSeed);
  itk::nn::NetworkRunner runner(problem.network, problem.MakeWeights(generator), GetPlanOptions(commandLine));

  const Graph graph = problem.network->BuildGraph(problem.shapes);
  std::vector<itk::nn::PassReport> reports;
  itk::nn::SimplifyGraph(graph, { problem.network->GetStaticInputNames() }, &reports);
  const bool isSplit = !problem.network->GetStaticInputNames().empty();
  itk::nn::NetworkRunner::SplitPlans plans;
  if (isSplit)
  {
    plans = runner.GetSplitPlans(problem.shapes);
  }
  else
  {
    plans.remainder = runner.GetPlan(problem.shapes);
  }

  Json json;
  json["network"] = problem.network->GetName();
  json["inputs"] = problem.shapes;
  json["before"] = DescribeGraph(graph);
  json["passes"] = Json::array();
  for (const auto & report : reports)
  {
    json["passes"].push_back({ { "pass", report.pass }, { "operators", report.nodes }, { "flops", report.flops } });
  }
  json["static_inputs"] = problem.network->GetStaticInputNames();
  json["each_run"] = DescribePlan(*plans.remainder);
  if (isSplit)
  {
    json["static"] = DescribePlan(*plans.prologue);
    json["static_bytes"] = plans.bytes;
    json["new_support_flops"] = plans.prologue->GetFlops(true) + plans.remainder->GetFlops(true);
    json["cached_support_flops"] = plans.remainder->GetFlops(true);
  }
  if (commandLine.Has("json"))
  {
    std::cout << json.dump() << std::endl;
    return exitSuccess;
  }

  PrintSummary("As written", json["before"]);
  std::cout << "\nPasses that changed something, in order\n"
            << "operators    GFLOP  pass\n";
  for (const auto & report : json["passes"])
  {
    std::cout << PadLeft(std::to_string(report["operators"].get<std::size_t>()), 9) << PadLeft(Giga(report["flops"]), 9)
              << "  " << report["pass"].get<std::string>() << '\n';
  }
  if (!isSplit)
  {
    PrintPlan("For each run", json["each_run"]);
    std::cout << std::flush;
    return exitSuccess;
  }
  PrintPlan("Once for a support set", json["static"]);
  PrintPlan("For each target", json["each_run"]);
  std::cout << "\nNew support set " << Giga(json["new_support_flops"]) << " GFLOP, cached "
            << Giga(json["cached_support_flops"]) << " GFLOP; " << Mega(json["static_bytes"])
            << " MB are kept with the support set\n"
            << std::flush;
  return exitSuccess;
}
} // namespace universeg
