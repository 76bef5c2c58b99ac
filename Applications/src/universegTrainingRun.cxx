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
#include "universegTrainingRun.h"

#include "universegModelOptions.h"

#include "itkNNDeviceCommunicator.h"
#include "itkNNModel.h"
#include "itkNNProgressEstimate.h"
#include "itkNNTrainingLog.h"

#ifdef UNIVERSEG_MPI
#  include "itkNNMPICommunicator.h"
#endif

#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using itk::nn::StateDict;

volatile std::sig_atomic_t stopSignal = 0;

void
OnSignal(int signal)
{
  stopSignal = signal;
  // The second one ends the process at once.
  std::signal(signal, SIG_DFL);
}

/** \class SignalScope
 * \brief Notes SIGINT and SIGTERM while it lives. */
class SignalScope
{
public:
  SignalScope()
  {
    stopSignal = 0;
    m_Interrupt = std::signal(SIGINT, OnSignal);
    m_Terminate = std::signal(SIGTERM, OnSignal);
  }
  ~SignalScope()
  {
    std::signal(SIGINT, m_Interrupt);
    std::signal(SIGTERM, m_Terminate);
  }
  SignalScope(const SignalScope &) = delete;
  SignalScope & operator=(const SignalScope &) = delete;

private:
  void (*m_Interrupt)(int) = nullptr;
  void (*m_Terminate)(int) = nullptr;
};

/** Means over the steps between two lines of the log. */
class StepMeans
{
public:
  void Add(const itk::nn::StepReport & report)
  {
    m_Loss += report.loss;
    m_Norm += report.gradientNorm;
    m_Seconds += report.seconds;
    m_Waited += report.waitedSeconds;
    m_Rate = report.learningRate;
    ++m_Count;
  }

  std::map<std::string, double> Take()
  {
    const double count = std::max(m_Count, 1);
    std::map<std::string, double> values{ { "loss", m_Loss / count },
                                          { "gradient-norm", m_Norm / count },
                                          { "seconds", m_Seconds / count },
                                          { "waited-seconds", m_Waited / count },
                                          { "learning-rate", m_Rate } };
    *this = StepMeans();
    return values;
  }

private:
  double m_Loss = 0;
  double m_Norm = 0;
  double m_Seconds = 0;
  double m_Waited = 0;
  double m_Rate = 0;
  int m_Count = 0;
};

/** \class TrainingReporter
 * \brief Writes the log, the curves and the models of a training, and tells people. */
class TrainingReporter
{
public:
  TrainingReporter(const TrainingJob & job, const TrainingFiles & files, std::int64_t firstStep)
    : m_Job(job)
    , m_Files(files)
    , m_Log(files.log, firstStep)
    , m_Estimate(job.options.steps, std::min(firstStep, job.options.steps))
    , m_Start(std::chrono::steady_clock::now())
  {}

  void OnStep(const itk::nn::StepReport & report)
  {
    m_Means.Add(report);
    if (report.step % m_Job.logEvery != 0 && report.step != m_Job.options.steps)
    {
      return;
    }
    const auto values = m_Means.Take();
    m_Log.Append({ report.step, values });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - m_Start;
    m_Estimate.Update(report.step, elapsed.count());
    std::cout << m_Estimate.GetText() << ": loss " << FormatFixed(values.at("loss"), 4) << ", "
              << FormatFixed(values.at("seconds"), 3) << " s a step" << std::endl;
  }

  void OnValidated(std::int64_t step, const itk::nn::ValidationResult & result)
  {
    std::map<std::string, double> values;
    for (const auto & metric : result.metrics)
    {
      values["validation-" + metric.first] = metric.second;
    }
    m_Log.Append({ step, values });
    std::cout << "step " << step << ": validation Dice " << FormatFixed(result.score, 4) << std::endl;
    this->DrawCurves();
  }

  void OnBest(std::int64_t step, const StateDict & weights, double score) const
  {
    this->WriteModel(m_Files.best, weights, step, score);
  }

  void WriteModel(const std::string & fileName, const StateDict & weights, std::int64_t step, double score) const
  {
    const auto model = itk::nn::Model::New();
    model->SetWeights(weights);
    itk::nn::ModelCard card = m_Job.card;
    card.network = m_Job.network->GetName();
    card.configuration = m_Job.network->GetConfiguration();
    card.extra["training_steps"] = std::to_string(step);
    if (score >= 0)
    {
      card.extra["validation_dice"] = FormatFixed(score, 4);
    }
    model->SetCard(card);
    model->Write(fileName);
  }

  void DrawCurves() const
  {
    itk::nn::WriteTrainingCurves(itk::nn::TrainingLog::Read(m_Files.log), m_Files.curves);
  }

private:
  const TrainingJob & m_Job;
  const TrainingFiles & m_Files;
  itk::nn::TrainingLog m_Log;
  itk::nn::ProgressEstimate m_Estimate;
  std::chrono::steady_clock::time_point m_Start;
  StepMeans m_Means;
};
} // namespace

TrainingFiles::TrainingFiles(const std::string & folder)
  : configuration(folder + "/training.toml")
  , log(folder + "/log.jsonl")
  , curves(folder + "/curves.png")
  , checkpoint(folder + "/checkpoint.safetensors")
  , best(folder + "/best.safetensors")
  , model(folder + "/model.safetensors")
{}

namespace
{
/** Null without others. */
std::shared_ptr<const itk::nn::Communicator>
FindProcesses()
{
#ifdef UNIVERSEG_MPI
  if (itk::nn::MPICommunicator::IsLaunched())
  {
    return std::make_shared<itk::nn::MPICommunicator>();
  }
#endif
  return nullptr;
}
} // namespace

void
SetPlace(const CommandLine & commandLine, TrainingPlace & place)
{
  place.plan = GetPlanOptions(commandLine);
  place.communicator = FindProcesses();
  if (place.communicator == nullptr || place.plan.device.type == itk::nn::Device::Type::Cpu)
  {
    return;
  }
  const std::string device = commandLine.GetText("device", "cpu");
  if (device == "cuda" || device == "auto")
  {
    place.plan.device.index = place.communicator->GetLocalRank() % std::max(itk::nn::CountDevices(place.plan), 1);
  }
  try
  {
    place.communicator =
      std::make_shared<itk::nn::DeviceCommunicator>(place.communicator, itk::nn::GetDeviceMemory(place.plan));
  }
  catch (const itk::nn::Error & error)
  {
    // One piece of text: the others write too.
    std::cerr << "universeg: process " + std::to_string(place.communicator->GetRank()) + " on " +
                   place.plan.device.ToText() + ": gradients pass through the host, " + error.GetDescription() + '\n';
  }
}

namespace
{
/** Throws Failure when a training cannot write to its folder. */
void
PrepareFolder(const TrainingJob & job, const TrainingFiles & files)
{
  std::error_code code;
  const std::string & folder = job.place.folder;
  fs::create_directories(folder, code);
  if (!fs::is_directory(folder))
  {
    throw Failure(folder + ": cannot make this folder: " + code.message());
  }
  if (!job.place.resumes && fs::exists(files.checkpoint))
  {
    throw Failure(files.checkpoint + ": a training was begun in this folder; --resume goes on with it");
  }
}

/** Train as one of the processes that write nothing. */
int
TakePart(itk::nn::Trainer & trainer)
{
  itk::nn::TrainerHooks hooks;
  hooks.isStopped = [] { return stopSignal != 0; };
  return trainer.Run(hooks) == itk::nn::TrainerEnd::Stopped ? exitFailure : exitSuccess;
}
} // namespace

int
RunTraining(const TrainingJob & job)
{
  const TrainingPlace & place = job.place;
  const TrainingFiles files(place.folder);
  const bool isFirst = place.communicator == nullptr || place.communicator->GetRank() == 0;
  if (isFirst)
  {
    PrepareFolder(job, files);
  }
  itk::nn::TrainerOptions options = job.options;
  options.checkpoint = files.checkpoint;
  options.gradients.plan = place.plan;
  itk::nn::Trainer trainer(
    job.trained ? job.trained : job.network, job.weights, job.batches, options, place.communicator);
  if (place.resumes && fs::exists(files.checkpoint))
  {
    trainer.Resume(files.checkpoint);
  }
  const SignalScope signals;
  if (!isFirst)
  {
    return TakePart(trainer);
  }
  if (trainer.GetState().step > 0)
  {
    std::cout << "goes on behind step " << trainer.GetState().step << std::endl;
  }
  WriteTextFile(files.configuration, job.configuration);
  const TrainingJob::Validation validation = job.makeValidation ? job.makeValidation() : nullptr;

  TrainingReporter reporter(job, files, trainer.GetState().step);
  itk::nn::TrainerHooks hooks;
  hooks.isStopped = [] { return stopSignal != 0; };
  hooks.step = [&](const itk::nn::StepReport & report) { reporter.OnStep(report); };
  if (validation)
  {
    hooks.validate = validation;
    hooks.validated = [&](std::int64_t step, const itk::nn::ValidationResult & result)
    { reporter.OnValidated(step, result); };
    hooks.best = [&](std::int64_t step, const StateDict & weights)
    { reporter.OnBest(step, weights, trainer.GetState().bestScore); };
  }
  const itk::nn::TrainerEnd end = trainer.Run(hooks);
  const itk::nn::TrainerState & state = trainer.GetState();
  reporter.DrawCurves();
  if (end == itk::nn::TrainerEnd::Stopped)
  {
    throw Failure("stopped by a signal behind step " + std::to_string(state.step) + "; " + files.checkpoint +
                  " has all to go on with --resume");
  }
  if (end == itk::nn::TrainerEnd::Patience)
  {
    std::cout << "no better validation since step " << state.bestStep << std::endl;
  }
  if (end == itk::nn::TrainerEnd::SmallRate)
  {
    std::cout << "the learning rate fell below 'stop-below' of the schedule" << std::endl;
  }
  reporter.WriteModel(files.model, trainer.GetResult(), state.step, -1);
  std::cout << files.model << ": " << job.network->GetNumberOfParameters() << " parameters after " << state.step
            << " steps" << std::endl;
  if (state.bestStep >= 0)
  {
    std::cout << files.best << ": the best validation, Dice " << FormatFixed(state.bestScore, 4) << " at step "
              << state.bestStep << std::endl;
  }
  return exitSuccess;
}
} // namespace universeg
